// What somebody typed, taken apart: words to find, words to stay away from, a picture's address.
import type { Mode } from './contract';

// `cartoon cat -red -"at night"` -> find `cartoon cat`, away `red at night`. A hyphen inside a word
// is part of it, as is one that nothing follows.
export function split_away(text: string): { find: string; away: string } {
  const away: string[] = [];
  const find = text.replace(/(^|\s)-(?:"([^"]+)"|([^\s"-][^\s"]*))/gu, (_, space, phrase, word) => {
    away.push(phrase ?? word);
    return space;
  });
  return { find: find.replace(/\s+/gu, ' ').trim(), away: away.join(' ').trim() };
}

// The first http(s) address among the words, and the words without it.
export function take_url(text: string): { url: string; text: string } {
  const found = /(?:^|\s)(https?:\/\/[^\s"'<>]+)(?=\s|$)/iu.exec(text);
  if (!found?.[1] || !URL.canParse(found[1])) return { url: '', text: text.trim() };
  const rest = `${text.slice(0, found.index)} ${text.slice(found.index + found[0].length)}`;
  return { url: found[1], text: rest.replace(/\s+/gu, ' ').trim() };
}

// The modes that make sense for a query. Keyword search reads words alone; fusing needs words.
export function possible_modes(
  query: { text: string; example: boolean },
  searchable: { vector: boolean; keyword: boolean },
): Mode[] {
  const modes: Mode[] = ['auto'];
  if (searchable.vector) modes.push('vector');
  if (searchable.keyword && query.text && !query.example) modes.push('keyword');
  if (searchable.vector && searchable.keyword && query.text) modes.push('hybrid');
  return modes;
}
