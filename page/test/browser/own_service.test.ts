// A service from its first day: locked and empty, then with collections of odd pictures.
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { draw } from './pictures';
import { OwnService } from './service';
import { start_browser, Visitor } from './visitor';

const TOKEN = 'open sesame';
const LONG = 'a harbour at dusk with boats and lamps and people who walk along the quay, '.repeat(20);
const folder = mkdtempSync(join(tmpdir(), 'pgmmr-pictures-'));
let browser: Browser;
let service: OwnService;

beforeAll(async () => {
  chmodSync(folder, 0o711);
  browser = await start_browser();
  service = new OwnService({ PGMMR_TOKEN: TOKEN });
  await service.serve();
});
afterAll(async () => {
  await browser?.close();
  service?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('a locked service asks for its token, an empty one says what to do', async () => {
  const visitor = await Visitor.come(browser, '/?q=boat', {}, service.address);
  const token = visitor.page.getByLabel('Token');
  await token.fill('sesame');
  await token.press('Enter');
  await visitor.page.getByText('That is not the token.').waitFor();
  await visitor.look('token');
  await token.fill(TOKEN);
  await token.press('Enter');
  await visitor.page.getByText('pgmmr ingest FOLDER -c NAME').waitFor();
  await visitor.look('empty');
  await visitor.leave();
});

test('pictures of any shape and captions of any length are shown, whole and inside the page', async () => {
  const shapes = join(folder, 'shapes');
  const bare = join(folder, 'bare');
  mkdirSync(shapes);
  mkdirSync(bare);
  await draw(browser, shapes, [
    { name: 'panorama', width: 4000, height: 300, caption: 'a panorama' },
    { name: 'line', width: 1500, height: 2, caption: 'a line' },
    { name: 'tower', width: 200, height: 3000, caption: 'a tower' },
    { name: 'dot', width: 1, height: 1, caption: LONG },
    { name: 'small', width: 12, height: 9, caption: 'Donaudampfschifffahrtsgesellschaft'.repeat(8) },
    { name: 'disc', width: 600, height: 600, round: true, caption: 'a disc on nothing' },
    { name: 'portrait', width: 900, height: 1400, caption: LONG },
    { name: 'landscape', width: 1600, height: 1000, caption: 'a landscape' },
  ]);
  await draw(browser, bare, [...Array(9).keys()].map((i) => ({ name: `IMG_${i}`, width: 300 + 40 * i, height: 300 })));
  service.run('ingest', shapes, '-c', 'shapes', '--model', 'demo');
  const table = `SELECT filename AS key, content AS image FROM read_blob('${bare}/*.png')`;
  service.run('ingest', table, '-c', 'bare', '--model', 'demo');

  const visitor = await Visitor.come(browser, `/?token=${encodeURIComponent(TOKEN)}`, {}, service.address);
  // The service looks at its list of collections now and then.
  await visitor.page.waitForFunction(async () => {
    const { collections } = await (await fetch('/api/v1/collections')).json();
    return collections.length === 2;
  });
  expect(visitor.page.url()).not.toContain('token');
  await visitor.page.goto(`${service.address}/?c=shapes`);
  await visitor.tiles.nth(6).waitFor(); // of the two with one caption the start page shows one
  await visitor.look('shapes-start');

  await visitor.find('a harbour');
  expect(await visitor.tiles.count()).toBe(8);
  const width = await visitor.page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBe(1280);
  await visitor.look('shapes');
  await visitor.tiles.first().locator('a').click();
  const dialog = visitor.page.getByRole('dialog');
  await dialog.getByText('Fields').waitFor();
  await visitor.page.waitForTimeout(500);
  const panel = await dialog.locator('.panel').evaluate((one) => one.scrollWidth - one.clientWidth);
  expect(panel).toBe(0);
  await visitor.look('shapes-large');
  await visitor.page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });

  // The other collection: its pictures have no captions, so there is nothing for keywords to read.
  await visitor.page.getByLabel('Collection').selectOption('bare');
  await visitor.page.waitForURL(/c=bare/);
  await visitor.page.waitForFunction(() => document.querySelectorAll('.gallery > li').length === 9);
  expect(await visitor.page.getByRole('radio', { name: 'Words' }).isDisabled()).toBe(true);
  await visitor.look('bare');
  await visitor.leave();
});

test('a busy service is asked again when it said', async () => {
  const visitor = await Visitor.come(browser, `/?token=${encodeURIComponent(TOKEN)}`, {}, service.address);
  await visitor.bar.waitFor();
  // A queue that is full when the test wants it: the first search is told what the service tells then.
  let asked = 0;
  await visitor.page.route('**/api/v1/search?*', (route) =>
    ++asked > 1
      ? route.continue()
      : route.fulfill({
          status: 503,
          contentType: 'application/problem+json',
          headers: { 'Retry-After': '2' },
          body: JSON.stringify({ title: 'Service Unavailable', status: 503, detail: 'too many searches at once' }),
        }),
  );
  await visitor.bar.fill('a boat');
  await visitor.bar.press('Enter');
  await visitor.page.getByText(/trying again in/).waitFor();
  await visitor.results();
  expect(asked).toBe(2);
  await visitor.leave();
});
