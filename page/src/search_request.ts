// A search of the page as the service is asked for it: its words parted, its picture small enough.
import { has_example, type Search } from './address';
import type { Mode } from './contract';
import { recall, shrunk } from './pictures';
import { split_away } from './query_text';
import type { SearchRequest } from './service';

const BATCH = 60; // hits asked for at a time
const UPLOAD_BATCH = 240; // with an uploaded picture, which each further batch would send again
const SHRUNK_SIDE = 2048;

export interface Asked {
  collection: string;
  mode: Mode;
  k: number;
  offset: number;
  body_bytes: number; // the most that the service takes
}

export function batch_of(search: Search): number {
  return search.picture ? UPLOAD_BATCH : BATCH;
}

export async function request_of(search: Search, asked: Asked): Promise<SearchRequest> {
  const { body_bytes, ...rest } = asked;
  // Keyword search has a minus of its own.
  const { find, away } =
    asked.mode === 'keyword' ? { find: search.text, away: '' } : split_away(search.text);
  const only_away = !find && !has_example(search);
  const request: SearchRequest = {
    ...rest,
    text: only_away ? search.text : find,
    not: only_away ? '' : away,
    like: search.like,
    image_url: search.url,
  };
  const picture = search.picture ? await recall(search.picture) : null;
  if (picture) {
    const fits = picture.blob.size < body_bytes * 0.95;
    const blob = fits ? picture.blob : await shrunk(picture.blob, SHRUNK_SIDE);
    request.image = { blob: blob ?? picture.blob, name: picture.name };
  }
  return request;
}
