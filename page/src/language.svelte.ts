// The page's language: what was chosen, else the browser's. Texts are in strings/, one file each.
import { en, type Strings } from './strings/en';
import { zh } from './strings/zh';
import { remember, remembered } from './memory';

export type Language = 'en' | 'zh';
export const TEXTS: Record<Language, Strings> = { en, zh };

export function language_for(tags: readonly string[]): Language {
  for (const tag of tags) {
    if (/^zh/i.test(tag)) return 'zh';
    if (/^en/i.test(tag)) return 'en';
  }
  return 'en';
}

type Values = Record<string, string | number>;

export function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place));
}

class Voice {
  language = $state<Language>('en');
  readonly #texts = $derived(TEXTS[this.language]);
  readonly #numbers = $derived(new Intl.NumberFormat(this.language));
  readonly #plural = $derived(new Intl.PluralRules(this.language));

  constructor() {
    const chosen = remembered('language');
    const browser = typeof navigator === 'undefined' ? ['en'] : navigator.languages;
    this.language = language_for(chosen ? [chosen] : browser);
  }

  say(name: keyof Strings, values: Values = {}): string {
    return fill(this.#texts[name], values);
  }

  // `base`_one or `base`_other, by n.
  count(base: 'lead' | 'found' | 'said', n: number, values: Values = {}): string {
    const form = this.#plural.select(n) === 'one' ? 'one' : 'other';
    return this.say(`${base}_${form}`, { ...values, n: this.number(n) });
  }

  number(n: number): string {
    return this.#numbers.format(n);
  }

  choose(language: Language): void {
    this.language = language;
    remember('language', language);
  }
}

export const voice = new Voice();
