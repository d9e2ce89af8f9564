// What was found in this visit, with how far one had scrolled: going back asks for nothing again.
import { to_address, type Search } from './address';
import type { Answer, Hit, Took } from './contract';

export interface Remembered {
  hits: Hit[];
  reached: number; // hits asked for: a later batch repeats some of an earlier one (openapi.json, offset)
  more: boolean;
  took: Took;
  mode: Answer['mode'];
}

const MOST = 30; // searches; the one kept longest ago goes first

export class Answers {
  readonly #kept = new Map<string, { answer: Remembered; scroll: number }>();

  get(search: Search): { answer: Remembered; scroll: number } | undefined {
    return this.#kept.get(to_address(search));
  }

  keep(search: Search, answer: Remembered): void {
    const name = to_address(search);
    const scroll = this.#kept.get(name)?.scroll ?? 0;
    this.#kept.delete(name);
    this.#kept.set(name, { answer, scroll });
    const oldest = this.#kept.keys().next().value;
    if (this.#kept.size > MOST && oldest !== undefined) this.#kept.delete(oldest);
  }

  keep_scroll(search: Search, scroll: number): void {
    const there = this.get(search);
    if (there) there.scroll = scroll;
  }

  forget(search: Search): void {
    this.#kept.delete(to_address(search));
  }
}
