import { expect, test } from 'vitest';
import type { Item } from '../../src/contract';
import { different, examples_of } from '../../src/wall.svelte';

const item = (name: string, key = name): Item => ({
  key,
  image: '',
  width: 64,
  height: 64,
  fields: { name_en: name },
  thumbnail: '',
  picture: '',
});

test('examples are short names, the first of those that begin alike', () => {
  const names = [
    'IMG_0042',
    'a very long name of a picture indeed',
    'flag: Chad',
    'flag: Malta',
    'cherry',
    'tangerine',
    'cherry',
  ];
  expect(examples_of(names.map((name) => item(name)), 'en')).toEqual(['flag', 'cherry', 'tangerine']);
  const chinese = ['红苹果', '红苹汁', '旗: 乍得', '大猩猩'].map((name) => ({
    ...item(''),
    fields: { name_zh: name },
  }));
  expect(examples_of(chinese, 'zh')).toEqual(['红苹果', '旗', '大猩猩']);
});

test('of pictures of one name the first is shown', () => {
  const all = [item('cat', '1'), item('dog', '2'), item('cat', '3')];
  expect(different(all, 'en').map((one) => one.key)).toEqual(['1', '2']);
});
