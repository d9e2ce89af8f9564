// The pictures of the start page: some of the collection's own, the same ones each time, and a few of
// their names as first searches to try.
import type { Collection, Item } from './contract';
import { caption_of } from './caption';
import type { Language } from './language.svelte';
import { get_sample } from './service';

const SHOWN = 96; // pictures
const ASKED = 128; // enough that as many with different names are among them
const LONGEST = 21; // letters of a search to try; one of a script without spaces counts as three
const EXAMPLES = 5;

class Wall {
  items = $state.raw<Item[]>([]);
  examples = $state.raw<string[]>([]);
  #loaded = '';
  #sample: Item[] = [];

  async load(collection: Collection, language: Language): Promise<void> {
    if (this.#loaded !== collection.name) {
      this.#loaded = collection.name;
      this.items = [];
      this.examples = [];
      const sample = await get_sample(collection.name, ASKED).catch(() => null);
      if (this.#loaded !== collection.name) return;
      if (!sample) {
        this.#loaded = ''; // another visit may do better
        return;
      }
      this.#sample = sample;
    }
    const items = different(this.#sample, language).slice(0, SHOWN);
    this.items = items;
    this.examples = examples_of(items, language);
  }
}

// The first of each name.
export function different(items: readonly Item[], language: Language): Item[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const name = caption_of(item, language);
    return !seen.has(name) && seen.add(name);
  });
}

// The first short names. Of two that begin alike the first: `flag of Chad` makes one example.
export function examples_of(items: readonly Item[], language: Language): string[] {
  const examples: string[] = [];
  const beginnings = new Set<string>();
  for (const item of items) {
    const name = (caption_of(item, language).split(/[,:，：;.]/u)[0] ?? '').trim();
    const beginning = /^(\p{Script=Han}{2}|\S+)/u.exec(name)?.[0] ?? '';
    if (!good_example(name) || beginnings.has(beginning)) continue;
    beginnings.add(beginning);
    examples.push(name);
    if (examples.length === EXAMPLES) break;
  }
  return examples;
}

// Not a file's name, nor a sentence.
function good_example(name: string): boolean {
  const length = [...name].reduce((sum, one) => sum + (/\p{Script=Han}/u.test(one) ? 3 : 1), 0);
  return length >= 3 && length <= LONGEST && !/[/_\d]/.test(name);
}

export const wall = new Wall();
