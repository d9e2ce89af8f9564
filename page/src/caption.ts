// One line under a picture. The service picks a caption; where the dataset has a short name beside
// a long caption (`name_en` beside `text_en`), the name reads better.
import type { Item } from './contract';
import type { Language } from './language.svelte';

const NAMES = ['name', 'title', 'label'];

export function caption_of(item: Item, language: Language): string {
  const text = (name: string) => {
    const value = item.fields[name];
    return typeof value === 'string' ? value.trim() : '';
  };
  for (const name of NAMES) {
    const own = text(`${name}_${language}`);
    if (own) return own;
  }
  for (const name of NAMES) {
    if (text(name)) return text(name);
  }
  return (item.caption ?? '').trim() || item.key;
}

// A similarity with a real minus, as wide as a digit, and no minus before nothing.
export function similarity_text(similarity: number, digits: number): string {
  return similarity.toFixed(digits).replace(/^-(?=0(\.0*)?$)/, '').replace('-', '\u2212');
}

// A field's value as text: what a table would show.
export function value_text(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map(value_text).filter(Boolean).join(', ');
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
}

export interface Piece {
  text: string;
  marked: boolean;
}

// The text cut at the matched words, longest first, so that they can be shown as matched. A word of
// letters with cases or spaces around it is matched whole; one of a script without spaces anywhere.
export function marked_pieces(text: string, matched: readonly string[]): Piece[] {
  const words = [...new Set(matched.filter(Boolean))].sort((a, b) => b.length - a.length);
  if (words.length === 0 || !text) return text ? [{ text, marked: false }] : [];
  const pattern = words
    .map((word) => {
      const literal = word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      return /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Thai}/u.test(word)
        ? literal
        : `(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`;
    })
    .join('|');
  const pieces: Piece[] = [];
  let at = 0;
  for (const found of text.matchAll(new RegExp(pattern, 'giu'))) {
    if (found.index > at) pieces.push({ text: text.slice(at, found.index), marked: false });
    pieces.push({ text: found[0], marked: true });
    at = found.index + found[0].length;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), marked: false });
  return pieces;
}
