import { expect, test } from 'vitest';
import { caption_of, marked_pieces, similarity_text, value_text } from '../../src/caption';
import type { Item } from '../../src/contract';

const item = (fields: Record<string, unknown>, caption?: string): Item => ({
  key: 'noto/1F34E',
  image: '',
  width: 64,
  height: 64,
  fields,
  thumbnail: '',
  picture: '',
  ...(caption === undefined ? {} : { caption }),
});

test('a short name in the right language comes before the service\'s caption, that before the key', () => {
  const both = item({ name_en: 'red apple', name_zh: '红苹果' }, 'red apple, fruit: apple');
  expect(caption_of(both, 'en')).toBe('red apple');
  expect(caption_of(both, 'zh')).toBe('红苹果');
  expect(caption_of(item({ title: 'Sunset' }, 'a long one'), 'zh')).toBe('Sunset');
  expect(caption_of(item({ name_en: ' ', year: 1999 }, 'a dog'), 'en')).toBe('a dog');
  expect(caption_of(item({}), 'en')).toBe('noto/1F34E');
});

test('a similarity has a real minus, and none before nothing', () => {
  expect(similarity_text(0.3349, 3)).toBe('0.335');
  expect(similarity_text(-0.0412, 2)).toBe('\u22120.04');
  expect(similarity_text(-0.004, 2)).toBe('0.00');
  expect(similarity_text(-1, 2)).toBe('\u22121.00');
});

test('fields of any type are text', () => {
  expect(value_text(['a', null, 2])).toBe('a, 2');
  expect(value_text({ a: 1 })).toBe('{"a":1}');
  expect(value_text(null)).toBe('');
  expect(value_text(false)).toBe('false');
});

const marked = (text: string, words: string[]) =>
  marked_pieces(text, words).map((piece) => (piece.marked ? `[${piece.text}]` : piece.text)).join('');

test.each([
  ['red apple, Red car', ['red'], '[red] apple, [Red] car'],
  ['a reduced red', ['red'], 'a reduced [red]'],
  ['红色的水果', ['红色', '水果'], '[红色]的[水果]'],
  ['apples and apple', ['apple', 'apples'], '[apples] and [apple]'],
  ['c++ (new)', ['c++', '(new)'], '[c++] [(new)]'],
  ['nothing here', [], 'nothing here'],
  ['<b>bold</b>', ['b'], '<[b]>bold</[b]>'],
])('%j with %j is shown as %j', (text, words, expected) => {
  expect(marked(text, words)).toBe(expected);
});

test('pieces put together are the text again', () => {
  const text = 'Red, red and redder 红 red';
  expect(marked_pieces(text, ['red', '红']).map((piece) => piece.text).join('')).toBe(text);
});
