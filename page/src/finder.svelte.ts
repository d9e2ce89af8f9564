// The page's state and what changes it: the address leads, everything else follows from it.
//
// go() writes an address into the history and runs what it says; the back button makes the browser
// report an older address, and the same code runs that. Answers of this visit are remembered with
// how far one had scrolled, so going back is instant and lands where one was.
import { tick } from 'svelte';
import {
  from_address,
  MAX_COUNT,
  has_example,
  is_nothing,
  nothing,
  shareable,
  to_address,
  type Search,
} from './address';
import { Answers, type Remembered } from './answers';
import type { Answer, Collection, Hit, Item, Mode, Problem, Took } from './contract';
import { connection } from './connection.svelte';
import { Countdown } from './countdown.svelte';
import { hold, recall, type Picture } from './pictures';
import { possible_modes, take_url } from './query_text';
import { batch_of, request_of } from './search_request';
import { get_item, open_session, search as ask_search, ServiceError, NO_ANSWER } from './service';

export type Status = 'idle' | 'searching' | 'done' | 'failed' | 'gone';

const SLOW_MS = 150; // before this, nothing flickers

class Finder {
  search = $state.raw<Search>(nothing());
  open = $state(''); // key of the picture shown large
  opened = $state.raw<Item | null>(null); // that picture, where it is not among the hits

  status = $state<Status>('idle');
  slow = $state(false); // the search has taken long enough to say so
  hits = $state.raw<Hit[]>([]);
  answered = $state.raw<Search>(nothing()); // the search that hits belong to
  more = $state(false);
  took = $state.raw<Took | null>(null);
  mode = $state<Answer['mode'] | null>(null);
  problem = $state.raw<Problem | null>(null);
  readonly retrying = new Countdown(); // until a busy service is asked again
  picture = $state.raw<Picture | null>(null);

  filling = $state(false); // the next hits are on their way
  fill_failed = $state(false);
  visits = $state(0); // counts searches that began anew: whoever keeps a place in the gallery resets it

  readonly #answers = new Answers();
  readonly #captions = new Map<string, Item>();
  #reached = 0; // see Remembered
  #abort: AbortController | null = null;

  get collection(): Collection | undefined {
    return connection.collection(this.search.collection);
  }

  get home(): boolean {
    return is_nothing(this.search);
  }

  modes_for(search: Search): Mode[] {
    return possible_modes(
      { text: search.text, example: has_example(search) },
      this.collection?.searchable ?? { vector: true, keyword: true },
    );
  }

  // What is asked for: a mode that this search cannot have counts as auto.
  effective_mode(search: Search): Mode {
    return this.modes_for(search).includes(search.mode) ? search.mode : 'auto';
  }

  async start(): Promise<void> {
    history.scrollRestoration = 'manual';
    window.addEventListener('popstate', () => void this.#follow());
    this.search = from_address(location.search).search; // the page takes its shape at once
    await this.connect();
  }

  async connect(): Promise<void> {
    this.problem = null;
    try {
      await connection.open();
      await this.#follow();
    } catch (error) {
      this.#refused(error);
      if (connection.phase !== 'locked') connection.phase = 'failed';
    }
  }

  // False where that was not the token.
  async unlock(token: string): Promise<boolean> {
    try {
      await open_session(token);
    } catch (error) {
      if (error instanceof ServiceError && error.problem.status === 401) return false;
      this.#refused(error);
      connection.phase = 'failed';
      return true;
    }
    await this.connect();
    return true;
  }

  // Changes part of the search and runs it.
  go(change: Partial<Search>, how: 'push' | 'replace' = 'push'): void {
    const next = { ...this.search, ...change };
    if (!next.collection && connection.collections.length > 1) {
      next.collection = connection.collections[0]?.name ?? '';
    }
    this.#keep_scroll();
    const address = to_address(next);
    if (how === 'push' && address !== to_address(this.search, this.open)) {
      history.pushState(null, '', address);
    } else {
      history.replaceState(null, '', address);
      this.#answers.forget(next); // asked again on purpose
    }
    void this.#follow();
  }

  // What was typed, with an address among the words taken as a picture.
  submit(typed: string): void {
    const { url, text } = connection.takes_urls ? take_url(typed) : { url: '', text: typed.trim() };
    this.go(url ? { text, url, picture: '' } : { text });
  }

  more_like(item: Item): void {
    this.#captions.set(item.key, item);
    this.go({ text: '', like: item.key, url: '', picture: '' });
  }

  async with_picture(file: Blob, name: string, text?: string): Promise<void> {
    const picture = await hold(file, name);
    this.picture = picture;
    this.go({ picture: picture.id, url: '', ...(text === undefined ? {} : { text }) });
  }

  // Shows a hit large; `item` is one that is not among the hits.
  show(key: string, item?: Item): void {
    if (key === this.open) return;
    const address = to_address(this.search, key);
    // Going through the pictures is one step of the history, not one for each.
    if (this.open) history.replaceState(history.state, '', address);
    else history.pushState({ lightbox: true }, '', address);
    this.opened = item ?? null;
    this.open = key;
  }

  hide(): void {
    if (!this.open) return;
    this.open = '';
    this.opened = null;
    // Opened from here: back to the entry before. Opened by a link: there is none.
    if ((history.state as { lightbox?: boolean } | null)?.lightbox) history.back();
    else history.replaceState(null, '', to_address(this.search));
  }

  hit(key: string): Hit | undefined {
    return this.hits.find((one) => one.key === key);
  }

  // A row's own data, to name it in the search bar.
  async item(key: string): Promise<Item | null> {
    const known = this.#captions.get(key) ?? this.hit(key);
    if (known) return known;
    try {
      const item = await get_item(this.collection?.name ?? '', key);
      this.#captions.set(key, item);
      return item;
    } catch {
      return null;
    }
  }

  // The link to where one is, and whether it had to leave a picture out.
  link(): { href: string; whole: boolean } {
    const search = shareable(this.search);
    return {
      href: new URL(to_address(search, this.open), location.href).href,
      whole: !this.search.picture,
    };
  }

  // More of the same search: those that are there stay, the next are added to them.
  widen(): void {
    const count = Math.min(MAX_COUNT, this.search.count * 2);
    const next = { ...this.search, count };
    history.replaceState(null, '', to_address(next));
    this.search = next;
    this.answered = next;
    void this.fill();
  }

  retry(): void {
    if (connection.phase === 'failed') void this.connect();
    else void this.#run();
  }

  // The next hits, where there are any and none are on their way.
  async fill(): Promise<void> {
    const room = this.search.count - this.hits.length;
    if (this.status !== 'done' || this.filling || !this.more || room <= 0) return;
    this.filling = true;
    this.fill_failed = false;
    const searched = this.answered;
    const signal = this.#abort?.signal;
    try {
      const answer = await this.#ask(searched, room, this.#reached, signal);
      if (searched !== this.answered) return;
      const known = new Set(this.hits.map((hit) => hit.key));
      this.hits = [...this.hits, ...answer.hits.filter((hit) => !known.has(hit.key))];
      this.#reached += answer.hits.length;
      this.more = answer.more && answer.hits.length > 0;
      this.#remember();
    } catch {
      if (searched === this.answered && !signal?.aborted) this.fill_failed = true;
    } finally {
      if (searched === this.answered) this.filling = false;
    }
  }

  // What the address says, done.
  async #follow(): Promise<void> {
    if (connection.phase !== 'ready') return;
    const place = from_address(location.search);
    const moved = to_address(this.search) !== to_address(place.search);
    const same = !moved && this.status !== 'idle';
    if (!same) this.#keep_scroll();
    if (moved) this.search = place.search; // a new search resets the bar: what was typed meanwhile stays
    this.open = place.open;
    this.opened = null;
    if (!same || this.status === 'failed') await this.#run();
    if (this.open && !this.hit(this.open)) {
      const wanted = this.open;
      const item = await this.item(wanted);
      if (this.open === wanted) {
        if (item) this.opened = item;
        else this.open = '';
      }
    }
  }

  async #run(): Promise<void> {
    this.#abort?.abort();
    this.retrying.stop();
    this.filling = false;
    this.fill_failed = false;
    this.problem = null;
    const search = this.search;
    if (is_nothing(search)) {
      this.picture = null;
      this.#show_nothing('idle');
      this.visits += 1;
      return;
    }
    const known = this.#answers.get(search);
    this.picture = search.picture ? await recall(search.picture) : null;
    if (search.picture && !this.picture) {
      this.#show_nothing('gone');
      return;
    }
    if (known) {
      this.#show(search, known.answer);
      await tick();
      scrollTo(0, known.scroll);
      return;
    }

    const abort = (this.#abort = new AbortController());
    this.status = 'searching';
    const slow = setTimeout(() => (this.slow = true), SLOW_MS);
    try {
      const answer = await this.#ask(search, search.count, 0, abort.signal);
      if (abort.signal.aborted) return;
      this.#show(search, {
        hits: answer.hits,
        reached: answer.hits.length,
        more: answer.more,
        took: answer.took_ms,
        mode: answer.mode,
      });
      this.#remember();
      await tick();
      scrollTo(0, 0);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#show_nothing('failed');
      this.#refused(error);
    } finally {
      clearTimeout(slow);
      if (!abort.signal.aborted) this.slow = false;
    }
  }

  async #ask(search: Search, room: number, offset: number, signal?: AbortSignal): Promise<Answer> {
    const request = await request_of(search, {
      collection: this.collection?.name ?? search.collection,
      mode: this.effective_mode(search),
      k: Math.min(room, batch_of(search)),
      offset,
      body_bytes: connection.service?.limits.body_bytes ?? Infinity,
    });
    return ask_search(request, signal);
  }

  #show(search: Search, answer: Remembered): void {
    this.answered = search;
    this.hits = answer.hits;
    this.#reached = answer.reached;
    this.more = answer.more;
    this.took = answer.took;
    this.mode = answer.mode;
    this.status = 'done';
    this.slow = false;
    this.visits += 1;
  }

  #show_nothing(status: Status): void {
    this.status = status;
    this.hits = [];
    this.more = false;
    this.took = null;
    this.mode = null;
    this.slow = false;
  }

  #remember(): void {
    const { hits, more, took, mode } = this;
    if (took && mode) this.#answers.keep(this.answered, { hits, reached: this.#reached, more, took, mode });
  }

  #keep_scroll(): void {
    if (this.status === 'done') this.#answers.keep_scroll(this.search, scrollY);
  }

  #refused(error: unknown): void {
    this.problem =
      error instanceof ServiceError
        ? error.problem
        : { title: '', status: NO_ANSWER, detail: String(error), request_id: '' };
    if (this.problem.status === 401) connection.phase = 'locked';
    const wait = this.problem.retry_after_s;
    if (this.problem.status === 503 && wait && wait <= 60) {
      this.retrying.start(wait, () => this.retry());
    }
  }
}

export const finder = new Finder();
