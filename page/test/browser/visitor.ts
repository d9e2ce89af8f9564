// A person at the page, in Debian's Chromium: opens it, looks (a screenshot and axe-core's rules in
// each state), and leaves a trace of every request, so that one to another host fails the test.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { expect, inject } from 'vitest';
import { chromium as program } from './service';

const shots = fileURLToPath(new URL('../../shots/', import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const query_picture = fileURLToPath(new URL('../../../demo/query.png', import.meta.url));

export async function start_browser(): Promise<Browser> {
  mkdirSync(shots, { recursive: true });
  return chromium.launch({
    executablePath: program,
    args: ['--no-sandbox', '--font-render-hinting=none'], // as root there is no sandbox
  });
}

export class Visitor {
  readonly problems: string[] = []; // on the console, or thrown
  private constructor(
    readonly page: Page,
    readonly address: string,
  ) {}

  static async come(
    browser: Browser,
    path = '/',
    options: BrowserContextOptions = {},
    address = inject('address'),
  ) {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 860 },
      locale: 'en-GB',
      ...options,
    });
    context.setDefaultTimeout(120_000); // the machine may be busy
    const page = await context.newPage();
    const visitor = new Visitor(page, address);
    page.on('pageerror', (error) => visitor.problems.push(String(error)));
    page.on('console', (message) => {
      // The browser itself notes each answer that is no 2xx; the page shows those.
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) {
        visitor.problems.push(message.text());
      }
    });
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (!/^(blob|data):$/.test(url.protocol) && url.origin !== new URL(visitor.address).origin) {
        visitor.problems.push(`a request to ${url.origin}`);
      }
    });
    await page.goto(visitor.address + path);
    return visitor;
  }

  async leave(): Promise<void> {
    await this.page.context().close();
    expect(this.problems).toEqual([]);
  }

  get tiles() {
    return this.page.locator('main ul[role=list] > li');
  }

  get bar() {
    return this.page.getByRole('searchbox');
  }

  async find(words: string): Promise<void> {
    await this.bar.fill(words);
    await this.bar.press('Enter');
    await this.results();
  }

  async results(): Promise<void> {
    await this.page.locator('.took').waitFor();
    await this.tiles.first().waitFor();
  }

  captions(n: number): Promise<string[]> {
    return this.page.locator('.gallery .caption').evaluateAll(
      (all, n) => all.slice(0, n).map((one) => one.textContent ?? ''),
      n,
    );
  }

  // A file let go above the page, as a file manager's would be.
  async drop(bytes: Buffer, name: string, type: string): Promise<void> {
    const data = await this.page.evaluateHandle(
      ({ base64, name, type }) => {
        const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], name, { type }));
        return data;
      },
      { base64: bytes.toString('base64'), name, type },
    );
    await this.page.dispatchEvent('body', 'dragenter', { dataTransfer: data });
    await this.page.locator('.veil').waitFor();
    await this.page.dispatchEvent('body', 'drop', { dataTransfer: data });
    await this.page.locator('.veil').waitFor({ state: 'detached' });
  }

  // Waits until what can be seen has come, takes the picture, and holds it to axe-core's rules.
  async look(name: string): Promise<void> {
    await this.page.evaluate(async () => {
      const seen = [...document.images].filter((image) => {
        const box = image.getBoundingClientRect();
        return box.bottom > 0 && box.top < innerHeight && box.width > 0;
      });
      await Promise.all(seen.map((image) => image.decode().catch(() => {})));
      await Promise.all(
        document.getAnimations().map((one) => {
          const ends = one.effect?.getComputedTiming().endTime;
          return ends === Infinity ? null : one.finished.catch(() => {});
        }),
      );
    });
    await this.page.screenshot({ path: `${shots}${name}.png` });
    await this.page.evaluate(axe);
    const found = await this.page.evaluate(async () => {
      const { axe } = window as unknown as {
        axe: { run(options: object): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }> };
      };
      return (await axe.run({ resultTypes: ['violations'] })).violations.flatMap(({ id, nodes }) =>
        nodes.slice(0, 3).map((node) => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary}`),
      );
    });
    expect(found, `axe-core, ${name}`).toEqual([]);
  }
}
