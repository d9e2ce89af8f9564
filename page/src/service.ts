// Requests to the service. Every failure, also one without an answer, is thrown as a ServiceError
// that carries a Problem, so that the page has one way to show them.
import type { Answer, Collection, Item, Problem, Service } from './contract';

export class ServiceError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.title);
  }
}

// Status of a Problem that is not the service's: no answer came.
export const NO_ANSWER = 0;

export interface SearchRequest {
  collection: string;
  text?: string;
  not?: string;
  like?: string;
  image_url?: string;
  image?: { blob: Blob; name: string };
  mode: string;
  k: number;
  offset: number;
}

const API = './api/v1';

async function problem_of(response: Response): Promise<Problem> {
  const id = response.headers.get('x-request-id') ?? '';
  const retry = Number(response.headers.get('retry-after'));
  const problem: Problem = {
    title: response.statusText || `HTTP ${response.status}`,
    status: response.status,
    detail: '',
    request_id: id,
  };
  if (Number.isFinite(retry) && retry > 0) problem.retry_after_s = retry;
  try {
    const body = (await response.json()) as Partial<Problem>;
    if (typeof body.title === 'string') problem.title = body.title;
    if (typeof body.detail === 'string') problem.detail = body.detail;
    if (typeof body.request_id === 'string') problem.request_id = body.request_id;
  } catch {
    // A proxy in between may answer with a page of its own; its status is all there is to say.
  }
  return problem;
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`${API}/${path}`, { ...init, credentials: 'same-origin' });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ServiceError({ title: '', status: NO_ANSWER, detail: '', request_id: '' });
  }
  if (!response.ok) throw new ServiceError(await problem_of(response));
  return response;
}

const with_signal = (signal?: AbortSignal): RequestInit => (signal ? { signal } : {});

export async function get_service(): Promise<Service> {
  return (await ask('service')).json();
}

export async function get_collections(): Promise<Collection[]> {
  return (await (await ask('collections')).json()).collections;
}

// Addresses of pictures are told from the server's root; the page may lie below a proxy's prefix.
const from_here = <T extends Item>(item: T): T => ({
  ...item,
  thumbnail: item.thumbnail.replace(/^\//, './'),
  picture: item.picture.replace(/^\//, './'),
});

const within = (collection: string) => `collections/${encodeURIComponent(collection)}`;

export async function get_item(collection: string, key: string): Promise<Item> {
  const query = new URLSearchParams({ key });
  return from_here(await (await ask(`${within(collection)}/item?${query}`)).json());
}

// Some rows of a collection, the same ones each time.
export async function get_sample(collection: string, k: number): Promise<Item[]> {
  const { items } = await (await ask(`${within(collection)}/sample?k=${k}`)).json();
  return (items as Item[]).map(from_here);
}

// The token is exchanged for a cookie that scripts cannot read; the page keeps nothing.
export async function open_session(token: string): Promise<void> {
  await ask('session', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  });
}

export async function search(request: SearchRequest, signal?: AbortSignal): Promise<Answer> {
  const { image, ...rest } = request;
  const parts = Object.entries(rest)
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => [name, String(value)] as [string, string]);
  const answer: Answer = await (
    await (image
      ? ask('search', { method: 'POST', body: form_of(parts, image), ...with_signal(signal) })
      : ask(`search?${new URLSearchParams(parts)}`, with_signal(signal)))
  ).json();
  return { ...answer, hits: answer.hits.map(from_here) };
}

function form_of(parts: [string, string][], image: { blob: Blob; name: string }): FormData {
  const form = new FormData();
  for (const [name, value] of parts) form.append(name, value);
  form.append('image', image.blob, image.name);
  return form;
}

export function thumbnail_of(collection: string, key: string): string {
  return `${API}/${within(collection)}/thumbnail?${new URLSearchParams({ key })}`;
}

// A hit's thumbnail, large enough for this many pixels of its longer side. The service has a few
// steps, of which 320 is stored and therefore the quickest.
export function sized(thumbnail: string, pixels: number): string {
  if (pixels <= 320) return thumbnail;
  return `${thumbnail}${thumbnail.includes('?') ? '&' : '?'}h=${pixels <= 640 ? 640 : 1024}`;
}
