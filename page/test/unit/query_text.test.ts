import { expect, test } from 'vitest';
import { possible_modes, split_away, take_url } from '../../src/query_text';

test.each([
  ['heart -red', 'heart', 'red'],
  ['-red heart', 'heart', 'red'],
  ['cartoon cat -red -blue', 'cartoon cat', 'red blue'],
  ['city -"at night" street', 'city street', 'at night'],
  ['爱心 -红色', '爱心', '红色'],
  ['a t-shirt', 'a t-shirt', ''],
  ['5 - 3', '5 - 3', ''],
  ['well -', 'well -', ''],
  ['--flag', '--flag', ''],
  ['"a phrase" cat', '"a phrase" cat', ''],
  ['', '', ''],
])('%j is to find %j and to stay away from %j', (typed, find, away) => {
  expect(split_away(typed)).toEqual({ find, away });
});

test.each([
  ['https://example.org/a.jpg', 'https://example.org/a.jpg', ''],
  ['red https://example.org/a.jpg?b=1 apple', 'https://example.org/a.jpg?b=1', 'red apple'],
  ['see http://127.0.0.1/x', 'http://127.0.0.1/x', 'see'],
  ['ftp://example.org/a.jpg', '', 'ftp://example.org/a.jpg'],
  ['https://', '', 'https://'],
  ['https://exa mple', 'https://exa', 'mple'],
  ['no address here', '', 'no address here'],
])('of %j the address is %j, the words %j', (typed, url, text) => {
  expect(take_url(typed)).toEqual({ url, text });
});

test('the modes offered are those the service would not refuse', () => {
  const all = { vector: true, keyword: true };
  const modes = (text: string, example: boolean, searchable = all) =>
    possible_modes({ text, example }, searchable);
  expect(modes('cat', false)).toEqual(['auto', 'vector', 'keyword', 'hybrid']);
  expect(modes('cat', true)).toEqual(['auto', 'vector', 'hybrid']); // keywords read words alone
  expect(modes('', true)).toEqual(['auto', 'vector']);
  expect(modes('cat', false, { vector: true, keyword: false })).toEqual(['auto', 'vector']);
  expect(modes('cat', false, { vector: false, keyword: true })).toEqual(['auto', 'keyword']);
});
