import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fill, language_for, TEXTS } from '../../src/language.svelte';
import type { Strings } from '../../src/strings/en';

const names = Object.keys(TEXTS.en) as (keyof Strings)[];
const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((place) => place[1]).sort();

test.each(Object.entries(TEXTS))('%s has every text, with the same places in it', (_, texts) => {
  expect(Object.keys(texts).sort()).toEqual([...names].sort());
  for (const name of names) {
    expect(texts[name].trim(), name).not.toBe('');
    expect([...new Set(places(texts[name]))], name).toEqual([...new Set(places(TEXTS.en[name]))]);
  }
});

test('no text of another language is left in English', () => {
  // Names and notations that are the same everywhere.
  const same = new Set<keyof Strings>(['language', 'other_language', 'other_language_label']);
  for (const name of names) {
    if (!same.has(name)) expect(TEXTS.zh[name], name).toMatch(/\p{Script=Han}/u);
  }
});

test('every text is used, and no component holds one of its own', () => {
  const folder = new URL('../../src/', import.meta.url);
  const files = readdirSync(folder).filter((file) => /\.(svelte|ts)$/.test(file));
  const code = files.map((file) => readFileSync(new URL(file, folder), 'utf8')).join('\n');
  const built = /^(mode|theme|lead|found|said)_/; // names put together where they are used
  for (const name of names) {
    if (!built.test(name)) expect(code.includes(`'${name}'`), `${name} is not used`).toBe(true);
  }
  const own = files
    .filter((file) => file.endsWith('.svelte'))
    .flatMap((file) => {
      const markup = readFileSync(new URL(file, folder), 'utf8')
        .replace(/<script[\s\S]*?<\/script>|<style>[\s\S]*?<\/style>|<!--[\s\S]*?-->/g, '');
      return [...markup.matchAll(/(?:aria-label|title|placeholder|alt)="([^"{]+)"/g)].map((m) => m[1]);
    });
  expect(own).toEqual([]);
});

test('the language is the first of the browser\'s that there is', () => {
  expect(language_for(['zh-CN', 'en'])).toBe('zh');
  expect(language_for(['zh-Hant-TW'])).toBe('zh');
  expect(language_for(['de-AT', 'zh'])).toBe('zh');
  expect(language_for(['fr', 'en-GB', 'zh'])).toBe('en');
  expect(language_for([])).toBe('en');
});

test('places are filled once, and unknown ones stay to be seen', () => {
  expect(fill('{n} of {of}', { n: 3, of: '{n}' })).toBe('3 of {n}');
  expect(fill('{gone}', {})).toBe('{gone}');
});
