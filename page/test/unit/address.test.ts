import { expect, test } from 'vitest';
import {
  DEFAULT_COUNT,
  from_address,
  has_example,
  is_nothing,
  MAX_COUNT,
  nothing,
  shareable,
  to_address,
  type Search,
} from '../../src/address';

const full: Search = {
  collection: 'demo',
  text: '红色的水果 & "ripe"',
  like: 'noto/1F34E',
  url: 'https://example.org/a.jpg?x=1&y=2',
  picture: 'a1b2c3',
  mode: 'hybrid',
  count: 60,
};

test('an address says the whole search, and reads back as the same', () => {
  expect(from_address(to_address(full, 'fluent/1F34E'))).toEqual({
    search: full,
    open: 'fluent/1F34E',
  });
});

test('what is as usual is not in the address', () => {
  expect(to_address({ ...nothing(), text: 'red apple' })).toBe('?q=red+apple');
  expect(to_address(nothing())).toBe('./');
});

test('equal searches have equal addresses, whatever the order they came in', () => {
  const there = from_address('?mode=vector&q=cat&c=demo').search;
  const back = from_address('?c=demo&q=cat&mode=vector').search;
  expect(to_address(there)).toBe(to_address(back));
});

test.each([
  ['?mode=magic', 'mode', 'auto'],
  ['?k=-3', 'count', DEFAULT_COUNT],
  ['?k=1e99', 'count', MAX_COUNT],
  ['?k=12.5', 'count', DEFAULT_COUNT],
  ['?k=999999', 'count', MAX_COUNT],
  ['?url=javascript:alert(1)', 'url', ''],
  ['?url=data:text/html,x', 'url', ''],
  ['?url=https://', 'url', ''],
  ['?pic=../../etc/passwd', 'picture', ''],
  ['?q=%20%20', 'text', ''],
  ['?q=%E0%A4%A', 'text', '\uFFFD%A'],
] as const)('%s is read as nothing worse than %s = %s', (address, name, value) => {
  expect(from_address(address).search[name]).toBe(value);
});

test('a link to share has everything but the picture that only one tab holds', () => {
  const shared = from_address(to_address(shareable(full))).search;
  expect(shared).toEqual({ ...full, picture: '' });
});

test('mode and count alone are no search', () => {
  expect(is_nothing({ ...nothing(), mode: 'vector', count: 24 })).toBe(true);
  for (const part of ['like', 'url', 'picture'] as const) {
    const search = { ...nothing(), [part]: 'https://a.b' };
    expect(is_nothing(search)).toBe(false);
    expect(has_example(search)).toBe(true);
  }
});
