// What the first paint waits for: a few small files of the service's own, and no answer of its API. The time
// itself is printed; it is the machine's, so nothing here depends on it.
import type { Browser, Page, Response } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { start_browser, Visitor } from './visitor';

const SCRIPT_BUDGET = 150_000; // bytes as they come over the wire
const VISITS = 5;
let browser: Browser;

beforeAll(async () => void (browser = await start_browser()));
afterAll(async () => browser?.close());

function first_contentful_paint(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((done) => {
        new PerformanceObserver((list) => {
          const paint = list.getEntries().find((one) => one.name === 'first-contentful-paint');
          if (paint) done(paint.startTime);
        }).observe({ type: 'paint', buffered: true });
      }),
  );
}

test('the search bar is painted, and can be typed in, before the service has answered anything', async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: 'en-GB' });
  const page = await context.newPage();
  let answer = () => {};
  const answers = new Promise<void>((go) => (answer = go));
  let held = 0;
  await page.route('**/api/**', async (route) => {
    held += 1;
    await answers;
    await route.continue();
  });
  const came: Response[] = [];
  page.on('response', (response) => void came.push(response));
  await page.goto(`${inject('address')}/`);

  const bar = page.getByRole('searchbox');
  await bar.waitFor();
  expect(await first_contentful_paint(page)).toBeGreaterThan(0);
  expect(held).toBeGreaterThan(0);
  expect(came.filter((one) => /\/api\//.test(one.url()))).toEqual([]);

  // All that came until then, as it came.
  const weights = { script: 0, stylesheet: 0 };
  for (const response of came) {
    const kind = response.request().resourceType();
    if (kind !== 'script' && kind !== 'stylesheet') continue;
    expect(new URL(response.url()).origin).toBe(inject('address'));
    const { responseBodySize } = await response.request().sizes();
    const plain = (await response.body()).length;
    if (plain > 1000) {
      expect(response.headers()['content-encoding'], response.url()).toMatch(/^(br|gzip)$/);
      expect(responseBodySize, response.url()).toBeLessThan(plain / 2);
    }
    weights[kind] += responseBodySize;
  }
  console.log(`before first paint: ${weights.script} bytes of script, ${weights.stylesheet} of style, compressed`);
  expect(weights.script).toBeGreaterThan(0);
  expect(weights.script).toBeLessThanOrEqual(SCRIPT_BUDGET);
  expect(weights.stylesheet).toBeGreaterThan(0);
  expect(weights.stylesheet).toBeLessThan(SCRIPT_BUDGET / 10);

  await bar.fill('red apple');
  answer();
  await page.locator('main ul[role=list] > li').nth(5).waitFor();
  expect(await bar.inputValue()).toBe('red apple'); // what was typed meanwhile is still there
  await context.close();
});

test('what holds up the first paint is one sheet of style and the small script that knows the theme', async () => {
  const visitor = await Visitor.come(browser);
  await visitor.tiles.nth(5).waitFor();
  const blocking = await visitor.page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .filter((one) => (one as PerformanceResourceTiming & { renderBlockingStatus: string }).renderBlockingStatus === 'blocking')
      .map((one) => one.name),
  );
  const paths = blocking.map((one) => one.replace(`${visitor.address}/`, '')).sort();
  expect(paths).toEqual([expect.stringMatching(/^assets\/index-.*\.css$/), 'theme.js']);
  await visitor.leave();
});

test('the time to the first contentful paint, for whoever reads this', async () => {
  const times: number[] = [];
  for (let i = 0; i < VISITS; i += 1) {
    const visitor = await Visitor.come(browser); // each with an empty cache
    await visitor.bar.waitFor();
    times.push(await first_contentful_paint(visitor.page));
    await visitor.leave();
  }
  times.sort((a, b) => a - b);
  const [least, middle, most] = [times[0]!, times[VISITS >> 1]!, times[VISITS - 1]!].map(Math.round);
  console.log(`first contentful paint: ${middle} ms, the median of ${VISITS} first visits (${least} to ${most})`);
  expect(least).toBeGreaterThan(0);
});
