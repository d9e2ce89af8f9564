// The page as an app on a home screen: what Chromium makes of the manifest and of its icons, at the root of
// a server and below a proxy's prefix.
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { PrefixProxy } from './prefix_proxy';
import { start_browser, Visitor } from './visitor';

interface Manifest {
  id: string;
  name: string;
  short_name: string;
  start_url: string;
  scope: string;
  display: string;
  background_color: string;
  theme_color: string;
  icons: { src: string; sizes: string; type: string; purpose?: string }[];
}

const PREFIX = '/pictures/';
let browser: Browser;
let proxy: PrefixProxy;

beforeAll(async () => {
  browser = await start_browser();
  proxy = await PrefixProxy.start(inject('address'), PREFIX);
});
afterAll(async () => {
  await browser?.close();
  await proxy?.stop();
});

async function manifest_of(visitor: Visitor): Promise<{ url: string; manifest: Manifest }> {
  const url = await visitor.page.locator('link[rel=manifest]').evaluate((one) => (one as HTMLLinkElement).href);
  const answer = await visitor.page.request.get(url);
  expect(answer.headers()['content-type']).toMatch(/^application\/manifest\+json\b/);
  return { url, manifest: (await answer.json()) as Manifest };
}

// Width and height as the PNG's own header has them (RFC 2083, 4.1.1), and what stands in its corners.
async function read_png(visitor: Visitor, url: string) {
  const answer = await visitor.page.request.get(url);
  expect(answer.status(), url).toBe(200);
  expect(answer.headers()['content-type'], url).toBe('image/png');
  const bytes = await answer.body();
  expect([...bytes.subarray(0, 8)], url).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const corners = await visitor.page.evaluate(async (url) => {
    const bitmap = await createImageBitmap(await (await fetch(url)).blob()); // throws for what is no picture
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext('2d')!;
    context.drawImage(bitmap, 0, 0);
    const alpha = (x: number, y: number) => context.getImageData(x, y, 1, 1).data[3]!;
    const [right, bottom] = [bitmap.width - 1, bitmap.height - 1];
    return [alpha(0, 0), alpha(right, 0), alpha(0, bottom), alpha(right, bottom)];
  }, url);
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), corners };
}

test.each([
  ['at the root', '/', () => inject('address')],
  ['below a prefix', PREFIX, () => proxy.address],
])('Chromium finds no fault in the manifest %s, and starts the app there', async (_, path, address) => {
  const visitor = await Visitor.come(browser, path, {}, address());
  await visitor.tiles.nth(5).waitFor();
  const { url, manifest } = await manifest_of(visitor);
  const here = `${address()}${path}`;
  expect(new URL(manifest.start_url, url).href).toBe(here);
  expect(new URL(manifest.scope, url).href).toBe(here);
  expect(new URL(manifest.id, new URL(manifest.start_url, url)).href).toBe(here);
  expect(manifest.name).toBe('pgmmr');
  expect(manifest.short_name.length).toBeLessThanOrEqual(12); // what fits under an icon
  expect(manifest.display).toBe('standalone');

  const chromium = await visitor.page.context().newCDPSession(visitor.page);
  const read = await chromium.send('Page.getAppManifest');
  expect(read.url).toBe(url);
  expect(read.errors).toEqual([]);
  const { installabilityErrors } = await chromium.send('Page.getInstallabilityErrors');
  // A context of Playwright counts as a private window, from which nothing is installed.
  expect(installabilityErrors.map((one) => one.errorId).filter((id) => id !== 'in-incognito')).toEqual([]);

  // The start address shows the page, and a search stays within the scope.
  await visitor.page.goto(new URL(manifest.start_url, url).href);
  await visitor.find('red apple');
  expect(visitor.page.url().startsWith(here)).toBe(true);
  const shown = await visitor.tiles.first().locator('img').evaluate((one) => {
    const image = one as HTMLImageElement;
    return image.decode().then(() => image.naturalWidth);
  });
  expect(shown).toBeGreaterThan(0);
  await visitor.leave();
  expect(proxy.strays).toEqual([]);
});

test('the icons are pictures of the sizes and kinds the manifest says', async () => {
  const visitor = await Visitor.come(browser);
  const { url, manifest } = await manifest_of(visitor);
  const kinds: string[] = [];
  for (const icon of manifest.icons) {
    const src = new URL(icon.src, url).href;
    const kind = icon.purpose ?? 'any';
    if (icon.type === 'image/svg+xml') {
      const answer = await visitor.page.request.get(src);
      expect(answer.headers()['content-type'], src).toMatch(/^image\/svg\+xml\b/);
      expect(await answer.text(), src).toMatch(/<svg\b/);
      continue;
    }
    expect(icon.type).toBe('image/png');
    const { width, height, corners } = await read_png(visitor, src);
    expect(icon.sizes, src).toBe(`${width}x${height}`);
    // A system cuts its own shape out of a maskable icon: nothing may be missing at the edges.
    if (kind === 'maskable') expect(corners, src).toEqual([255, 255, 255, 255]);
    kinds.push(`${kind} ${icon.sizes}`);
  }
  expect(kinds).toEqual(expect.arrayContaining(['any 192x192', 'any 512x512', 'maskable 512x512']));

  const apple = visitor.page.locator('link[rel=apple-touch-icon]');
  const home = await read_png(visitor, await apple.evaluate((one) => (one as HTMLLinkElement).href));
  expect(home).toEqual({ width: 180, height: 180, corners: [255, 255, 255, 255] });
  const icon = await visitor.page.locator('link[rel=icon]').evaluate((one) => (one as HTMLLinkElement).href);
  expect((await visitor.page.request.get(icon)).headers()['content-type']).toMatch(/^image\/svg\+xml\b/);
  await visitor.leave();
});

test.each(['light', 'dark'] as const)("a window's frame has the page's own %s colour", async (scheme) => {
  const visitor = await Visitor.come(browser, '/', { colorScheme: scheme });
  const colours = await visitor.page.evaluate((scheme) => {
    const meta = document.querySelector<HTMLMetaElement>(`meta[name=theme-color][media*=${scheme}]`);
    const probe = document.createElement('i');
    probe.style.color = meta?.content ?? '';
    document.body.append(probe);
    const said = getComputedStyle(probe).color;
    probe.remove();
    return { said, hex: meta?.content, paper: getComputedStyle(document.documentElement).backgroundColor };
  }, scheme);
  expect(colours.said).toBe(colours.paper);
  const { manifest } = await manifest_of(visitor);
  if (scheme === 'light') {
    expect(manifest.theme_color).toBe(colours.hex);
    expect(manifest.background_color).toBe(colours.hex);
  }
  await visitor.leave();
});
