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
import type { Answer, Collection, Hit, Item, Mode, Problem, Service, Took } from './contract';
import { hold, recall, shrunk, type Picture } from './pictures';
import { possible_modes, split_away, take_url } from './query_text';
import {
  get_collections,
  get_item,
  get_service,
  open_session,
  search as ask_search,
  ServiceError,
  NO_ANSWER,
  type SearchRequest,
} from './service';

export type Status = 'idle' | 'searching' | 'done' | 'failed' | 'gone';
export type Phase = 'starting' | 'ready' | 'locked' | 'failed';

interface Remembered {
  hits: Hit[];
  reached: number;
  more: boolean;
  took: Took;
  mode: Answer['mode'];
  scroll: number;
}

const BATCH = 60; // hits asked for at a time; a search with an uploaded picture asks for all at once
const UPLOAD_BATCH = 240;
const SLOW_MS = 150; // before this, nothing flickers
const REMEMBERED = 30;
const SHRUNK_SIDE = 2048;

class Finder {
  phase = $state<Phase>('starting');
  service = $state.raw<Service | null>(null);
  collections = $state.raw<Collection[]>([]);

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
  retry_in = $state(0); // seconds until a busy service is asked again
  picture = $state.raw<Picture | null>(null);

  filling = $state(false); // the next hits are on their way
  fill_failed = $state(false);
  visits = $state(0); // counts searches that began anew: whoever keeps a place in the gallery resets it

  readonly #answers = new Map<string, Remembered>();
  readonly #captions = new Map<string, Item>();
  #reached = 0; // hits asked for: a later batch repeats some of an earlier one (openapi.json, offset)
  #abort: AbortController | null = null;
  #retry: ReturnType<typeof setInterval> | undefined;

  get collection(): Collection | undefined {
    const name = this.search.collection;
    return name ? this.collections.find((one) => one.name === name) : this.collections[0];
  }

  get home(): boolean {
    return is_nothing(this.search);
  }

  get takes_urls(): boolean {
    return this.service?.image_url ?? true;
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
    this.phase = 'starting';
    this.problem = null;
    try {
      const [service, collections] = await Promise.all([
        get_service(),
        get_collections().catch((error: unknown) => {
          if (error instanceof ServiceError && error.problem.status === 401) return null;
          throw error;
        }),
      ]);
      this.service = service;
      if (!collections || (service.auth.required && !service.auth.authenticated)) {
        this.phase = 'locked';
        return;
      }
      this.collections = collections;
      this.phase = 'ready';
      await this.#follow();
    } catch (error) {
      this.#refused(error);
      if (this.phase !== 'locked') this.phase = 'failed';
    }
  }

  // False where that was not the token.
  async unlock(token: string): Promise<boolean> {
    try {
      await open_session(token);
    } catch (error) {
      if (error instanceof ServiceError && error.problem.status === 401) return false;
      this.#refused(error);
      this.phase = 'failed';
      return true;
    }
    await this.connect();
    return true;
  }

  // Changes part of the search and runs it.
  go(change: Partial<Search>, how: 'push' | 'replace' = 'push'): void {
    const next = { ...this.search, ...change };
    if (!next.collection && this.collections.length > 1) {
      next.collection = this.collections[0]?.name ?? '';
    }
    this.#keep_scroll();
    const address = to_address(next);
    if (how === 'push' && address !== to_address(this.search, this.open)) {
      history.pushState(null, '', address);
    } else {
      history.replaceState(null, '', address);
      this.#answers.delete(to_address(next)); // asked again on purpose
    }
    void this.#follow();
  }

  // What was typed, with an address among the words taken as a picture.
  submit(typed: string): void {
    const { url, text } = this.takes_urls ? take_url(typed) : { url: '', text: typed.trim() };
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
    if (this.phase === 'failed') void this.connect();
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
      const answer = await ask_search(
        await this.#request(searched, Math.min(room, this.#batch(searched)), this.#reached),
        signal,
      );
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
    if (this.phase !== 'ready') return;
    const place = from_address(location.search);
    const before = to_address(this.search);
    const same = before === to_address(place.search) && this.status !== 'idle';
    if (!same) this.#keep_scroll();
    this.search = place.search;
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
    clearInterval(this.#retry);
    this.retry_in = 0;
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
    const known = this.#answers.get(to_address(search));
    this.picture = search.picture ? await recall(search.picture) : null;
    if (search.picture && !this.picture) {
      this.#show_nothing('gone');
      return;
    }
    if (known) {
      this.#show(search, known);
      await tick();
      scrollTo(0, known.scroll);
      return;
    }

    const abort = (this.#abort = new AbortController());
    this.status = 'searching';
    const slow = setTimeout(() => (this.slow = true), SLOW_MS);
    try {
      const request = await this.#request(search, Math.min(search.count, this.#batch(search)), 0);
      const answer = await ask_search(request, abort.signal);
      if (abort.signal.aborted) return;
      this.#show(search, {
        hits: answer.hits,
        reached: answer.hits.length,
        more: answer.more,
        took: answer.took_ms,
        mode: answer.mode,
        scroll: 0,
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

  #batch(search: Search): number {
    return search.picture ? UPLOAD_BATCH : BATCH;
  }

  async #request(search: Search, k: number, offset: number): Promise<SearchRequest> {
    const mode = this.effective_mode(search);
    // Keyword search has a minus of its own.
    const { find, away } =
      mode === 'keyword' ? { find: search.text, away: '' } : split_away(search.text);
    const only_away = !find && !has_example(search);
    const request: SearchRequest = {
      collection: this.collection?.name ?? search.collection,
      text: only_away ? search.text : find,
      not: only_away ? '' : away,
      like: search.like,
      image_url: search.url,
      mode,
      k,
      offset,
    };
    const picture = search.picture ? await recall(search.picture) : null;
    if (picture) {
      const limit = this.service?.limits.body_bytes ?? Infinity;
      const fits = picture.blob.size < limit * 0.95;
      const blob = fits ? picture.blob : await shrunk(picture.blob, SHRUNK_SIDE);
      request.image = { blob: blob ?? picture.blob, name: picture.name };
    }
    return request;
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
    if (!this.took || !this.mode) return;
    const name = to_address(this.answered);
    const scroll = this.#answers.get(name)?.scroll ?? 0;
    this.#answers.delete(name);
    this.#answers.set(name, {
      hits: this.hits,
      reached: this.#reached,
      more: this.more,
      took: this.took,
      mode: this.mode,
      scroll,
    });
    const oldest = this.#answers.keys().next().value;
    if (this.#answers.size > REMEMBERED && oldest !== undefined) this.#answers.delete(oldest);
  }

  #keep_scroll(): void {
    const there = this.#answers.get(to_address(this.search));
    if (there && this.status === 'done') there.scroll = scrollY;
  }

  #refused(error: unknown): void {
    this.problem =
      error instanceof ServiceError
        ? error.problem
        : { title: '', status: NO_ANSWER, detail: String(error), request_id: '' };
    if (this.problem.status === 401) this.phase = 'locked';
    const wait = this.problem.retry_after_s;
    if (this.problem.status === 503 && wait && wait <= 60) {
      this.retry_in = wait;
      this.#retry = setInterval(() => {
        this.retry_in -= 1;
        if (this.retry_in > 0) return;
        clearInterval(this.#retry);
        this.retry();
      }, 1000);
    }
  }
}

export const finder = new Finder();
