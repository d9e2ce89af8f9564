// The service's JSON, as its /openapi.json describes it; only what the page reads.

export type Mode = 'auto' | 'vector' | 'keyword' | 'hybrid';
export const MODES: readonly Mode[] = ['auto', 'vector', 'keyword', 'hybrid'];

export interface Item {
  key: string;
  image: string;
  width: number;
  height: number;
  fields: Record<string, unknown>;
  caption?: string;
  thumbnail: string;
  picture: string;
}

export interface Hit extends Item {
  score: number;
  similarity: number | null;
  vector_rank: number | null;
  keyword_rank: number | null;
  matched: string[];
}

export interface Took {
  encode: number;
  search: number;
  total: number;
}

export interface Answer {
  collection: string;
  mode: Exclude<Mode, 'auto'>;
  took_ms: Took;
  hits: Hit[];
  offset: number;
  more: boolean;
}

export interface Collection {
  name: string;
  rows: number;
  model: string;
  captions: { name: string; language: string }[];
  fields: { name: string; type: string }[];
  searchable: { vector: boolean; keyword: boolean; reason?: string };
}

export interface Service {
  version: string;
  auth: { required: boolean; authenticated: boolean };
  image_url?: boolean;
  limits: { body_bytes: number; hits: number };
}

// RFC 9457, with the id under which the server's log has the request.
export interface Problem {
  title: string;
  status: number;
  detail: string;
  request_id: string;
  retry_after_s?: number;
}
