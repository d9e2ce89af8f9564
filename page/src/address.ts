// The page's state in its address, both ways: what is searched, how, and which picture is open.
//
// A dropped picture cannot stand in an address. Its place is held by `pic`, an id that only the tab
// knows in which it was dropped (pictures.ts); elsewhere the page says what is missing.
import { MODES, type Mode } from './contract';

export interface Search {
  collection: string; // empty: the first there is
  text: string;
  like: string; // key of a row
  url: string; // of a picture
  picture: string; // id of a dropped picture
  mode: Mode;
  count: number;
}

export interface Place {
  search: Search;
  open: string; // key of the picture that is shown large, or empty
}

export const COUNTS: readonly number[] = [24, 60, 120, 240, 500];
export const DEFAULT_COUNT = 120;
export const MAX_COUNT = 1000;

export function nothing(collection = ''): Search {
  return { collection, text: '', like: '', url: '', picture: '', mode: 'auto', count: DEFAULT_COUNT };
}

export function is_nothing(search: Search): boolean {
  return !search.text && !has_example(search);
}

export function has_example(search: Search): boolean {
  return search.like !== '' || search.url !== '' || search.picture !== '';
}

// The order is fixed, so that equal searches have equal addresses.
export function to_address(search: Search, open = ''): string {
  const query = new URLSearchParams();
  if (search.collection) query.set('c', search.collection);
  if (search.text) query.set('q', search.text);
  if (search.like) query.set('like', search.like);
  if (search.url) query.set('url', search.url);
  if (search.picture) query.set('pic', search.picture);
  if (search.mode !== 'auto') query.set('mode', search.mode);
  if (search.count !== DEFAULT_COUNT) query.set('k', String(search.count));
  if (open) query.set('at', open);
  const text = query.toString();
  return text ? `?${text}` : './';
}

// Takes anything: what is not understood falls back to its default.
export function from_address(address: string): Place {
  const query = new URLSearchParams(address);
  const mode = query.get('mode') as Mode;
  const count = Number(query.get('k'));
  const url = query.get('url') ?? '';
  return {
    search: {
      collection: query.get('c') ?? '',
      text: (query.get('q') ?? '').trim(),
      like: query.get('like') ?? '',
      url: /^https?:\/\//i.test(url) && URL.canParse(url) ? url : '',
      picture: /^[\w-]{1,40}$/.test(query.get('pic') ?? '') ? (query.get('pic') as string) : '',
      mode: MODES.includes(mode) ? mode : 'auto',
      count: Number.isInteger(count) && count >= 1 ? Math.min(count, MAX_COUNT) : DEFAULT_COUNT,
    },
    open: query.get('at') ?? '',
  };
}

// What a link to this search can carry: everything but a picture of one's own.
export function shareable(search: Search): Search {
  return { ...search, picture: '' };
}
