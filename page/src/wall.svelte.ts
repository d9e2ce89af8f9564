// The pictures of the start page: some of the collection's own, in the order of the rainbow, which
// any collection can be asked for by meaning, and a few of their names as first searches to try.
import type { Collection, Hit } from './contract';
import { caption_of } from './caption';
import type { Language } from './language.svelte';
import { search } from './service';

const COLOURS: Record<Language, readonly string[]> = {
  en: ['red', 'orange', 'yellow', 'green', 'blue', 'purple', 'pink'],
  zh: ['红色', '橙色', '黄色', '绿色', '蓝色', '紫色', '粉色'],
};
const EACH = 14; // pictures of a colour
const ASKED = 48; // enough that as many different ones are among them
const LONGEST = 21; // letters of a search to try; one of a script without spaces counts as three
const EXAMPLES = 5;

class Wall {
  hits = $state.raw<Hit[]>([]);
  examples = $state.raw<string[]>([]);
  #shown = '';

  async load(collection: Collection, language: Language): Promise<void> {
    const wanted = `${language} ${collection.name}`;
    if (wanted === this.#shown) return;
    this.#shown = wanted;
    if (!collection.searchable.vector) {
      this.hits = [];
      this.examples = [];
      return;
    }
    const answers = await Promise.allSettled(
      COLOURS[language].map((text) =>
        search({ collection: collection.name, text, mode: 'vector', k: ASKED, offset: 0 }),
      ),
    );
    if (wanted !== this.#shown) return;
    const seen = new Set<string>();
    const bands = answers.map((answer) => {
      const band: Hit[] = [];
      if (answer.status === 'rejected') return band;
      for (const hit of answer.value.hits) {
        const caption = caption_of(hit, language);
        if (band.length === EACH || seen.has(caption)) continue;
        seen.add(caption);
        band.push(hit);
      }
      return band;
    });
    this.hits = bands.flat();
    this.examples = examples_of(bands, language);
    if (this.hits.length === 0) this.#shown = ''; // all failed: another visit may do better
  }
}

// Of each band a short name that is no example already; rather one that does not say the colour
// (`lemon` than `yellow circle`), since what is shown need not be what is written.
export function examples_of(
  bands: readonly Hit[][],
  language: Language,
  colours: readonly string[] = COLOURS[language],
): string[] {
  const examples: string[] = [];
  bands.forEach((band, i) => {
    const names = band
      .map((hit) => (caption_of(hit, language).split(/[,:，：;.]/u)[0] ?? '').trim())
      .filter((name) => good_example(name) && !examples.includes(name));
    const colour = (colours[i] ?? '').replace(/色$/u, '');
    const name = names.find((one) => !one.includes(colour)) ?? names[0];
    if (name) examples.push(name);
  });
  return examples.slice(0, EXAMPLES);
}

// Not a file's name, nor a sentence.
function good_example(name: string): boolean {
  const length = [...name].reduce((sum, one) => sum + (/\p{Script=Han}/u.test(one) ? 3 : 1), 0);
  return length >= 3 && length <= LONGEST && !/[/_\d]/.test(name);
}

export const wall = new Wall();
