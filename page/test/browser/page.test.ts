import { readFileSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { query_picture, start_browser, Visitor } from './visitor';

let browser: Browser;
let visitor: Visitor;
const picture = readFileSync(query_picture);

beforeAll(async () => void (browser = await start_browser()));
afterAll(async () => browser.close());
afterEach(async () => visitor.leave());

const param = (name: string) => new URL(visitor.page.url()).searchParams.get(name);

describe('the start', () => {
  test('shows the collection and searches to try', async () => {
    visitor = await Visitor.come(browser);
    await visitor.tiles.nth(20).waitFor();
    await visitor.page.locator('.examples a').first().waitFor();
    await visitor.look('start');
    const example = await visitor.page.locator('.examples a').first().innerText();
    await visitor.page.locator('.examples a').first().click();
    await visitor.results();
    expect(param('q')).toBe(example);
    expect(await visitor.bar.inputValue()).toBe(example);
  });

  test('in the dark', async () => {
    visitor = await Visitor.come(browser, '/', { colorScheme: 'dark' });
    await visitor.tiles.nth(20).waitFor();
    await visitor.page.locator('.examples a').first().waitFor();
    await visitor.look('start-dark');
  });
});

describe('words', () => {
  test('find pictures, and say how long it took', async () => {
    visitor = await Visitor.come(browser);
    await visitor.find('red apple');
    expect((await visitor.captions(3)).join(' ')).toContain('red apple');
    expect(await visitor.page.locator('.took').innerText()).toMatch(/pictures.*ms.*encode.*search/s);
    expect(await visitor.page.title()).toBe('red apple · pgmmr');
    await visitor.page.locator('[aria-live=polite]').filter({ hasText: 'red apple' }).waitFor();
    await visitor.look('words');
  });

  test('a word with a minus is stayed away from', async () => {
    visitor = await Visitor.come(browser, '/?q=heart');
    await visitor.results();
    const before = await visitor.captions(60);
    await visitor.find('heart -red');
    const after = await visitor.captions(60);
    const red = (all: string[]) => all.slice(0, 20).filter((one) => /red/.test(one)).length;
    expect(red(after)).toBeLessThan(red(before));
  });

  test('the mode changes the ranking; what a search cannot have cannot be chosen', async () => {
    visitor = await Visitor.come(browser, '/?q=red+apple');
    await visitor.results();
    await visitor.page.getByRole('radio', { name: 'Words' }).check();
    await visitor.page.waitForURL(/mode=keyword/);
    await visitor.results();
    expect((await visitor.captions(1))[0]).toMatch(/apple/);
    await visitor.page.getByRole('button', { name: /^More like this/ }).first().click({ force: true });
    await visitor.page.waitForURL(/like=/);
    expect(await visitor.page.getByRole('radio', { name: 'Words' }).isDisabled()).toBe(true);
    expect(await visitor.page.getByRole('radio', { name: 'Meaning' }).isEnabled()).toBe(true);
  });

  test('that no caption has are said to be found by meaning, perhaps', async () => {
    visitor = await Visitor.come(browser, '/?q=xyzzyqwerty&mode=keyword');
    await visitor.page.getByText('No picture matches').waitFor();
    await visitor.look('nothing');
    await visitor.page.getByRole('button', { name: 'Search by meaning' }).click();
    await visitor.results();
    expect(param('mode')).toBe('vector');
  });

  test('the gallery fills as one scrolls, without moving what is there', async () => {
    visitor = await Visitor.come(browser, '/?q=animal&k=240');
    await visitor.results();
    await visitor.page.evaluate(() => {
      const shifts = ((window as unknown as { shifts: number[] }).shifts = []) as number[];
      new PerformanceObserver((list) => {
        for (const one of list.getEntries()) shifts.push((one as unknown as { value: number }).value);
      }).observe({ type: 'layout-shift', buffered: true });
    });
    const place = () => visitor.tiles.nth(30).evaluate((one) => one.getAttribute('style'));
    const before = await place();
    const first = await visitor.tiles.count();
    await visitor.page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await visitor.page.waitForFunction((n) => document.querySelectorAll('.gallery > li').length > n, first);
    expect(await place()).toBe(before);
    const shifts = await visitor.page.evaluate(() => (window as unknown as { shifts: number[] }).shifts);
    expect(shifts.reduce((sum, one) => sum + one, 0)).toBeLessThan(0.02);
  });
});

describe('a picture', () => {
  test('dropped finds what looks like it, and words can be added', async () => {
    visitor = await Visitor.come(browser);
    await visitor.drop(picture, 'query.png', 'image/png');
    await visitor.results();
    expect(await visitor.page.getByText('your picture').count()).toBeGreaterThan(0);
    await visitor.look('picture');
    const alone = await visitor.captions(12);

    await visitor.find('blue');
    expect(param('pic')).not.toBeNull();
    expect(param('q')).toBe('blue');
    expect(await visitor.captions(12)).not.toEqual(alone);
    await visitor.look('words-and-picture');

    await visitor.page.getByRole('button', { name: 'Remove your picture' }).click();
    await visitor.page.waitForURL((url) => !url.searchParams.has('pic'));
    expect(param('q')).toBe('blue');
  });

  test('chosen as a file survives a reload of the tab', async () => {
    visitor = await Visitor.come(browser);
    await visitor.page.locator('[data-role=file]').setInputFiles(query_picture);
    await visitor.results();
    const before = await visitor.captions(12);
    await visitor.page.reload();
    await visitor.results();
    expect(await visitor.captions(12)).toEqual(before);
  });

  test('pasted is searched with', async () => {
    visitor = await Visitor.come(browser);
    await visitor.bar.waitFor();
    await visitor.page.evaluate((base64) => {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], 'image.png', { type: 'image/png' }));
      document.body.dispatchEvent(
        new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }),
      );
    }, picture.toString('base64'));
    await visitor.results();
    expect(param('pic')).not.toBeNull();
  });

  test('of another tab is said to be missing', async () => {
    visitor = await Visitor.come(browser, '/?q=blue&pic=abcdef012345');
    await visitor.page.getByText('This search began with a picture').waitFor();
    await visitor.look('picture-elsewhere');
    await visitor.page.getByRole('button', { name: 'Search with the words alone' }).click();
    await visitor.results();
    expect(param('pic')).toBeNull();
  });

  test('by its address becomes a part of the search of its own', async () => {
    visitor = await Visitor.come(browser);
    await visitor.bar.fill('red http://127.0.0.1:9/cat.jpg');
    await visitor.bar.press('Enter');
    await visitor.page.getByRole('alert').waitFor(); // an address of this machine is not fetched
    expect(param('url')).toBe('http://127.0.0.1:9/cat.jpg');
    expect(param('q')).toBe('red');
    await visitor.look('address');
  });
});

describe('the large picture', () => {
  test('shows all fields and why it matched; back closes it', async () => {
    visitor = await Visitor.come(browser, '/?q=red+apple');
    await visitor.results();
    await visitor.tiles.nth(1).locator('a').click();
    const dialog = visitor.page.getByRole('dialog');
    await dialog.getByText('Why it is here').waitFor();
    await dialog.locator('mark').first().waitFor();
    const text = await dialog.innerText();
    for (const part of ['similarity', 'rank', 'text_en', 'text_zh', 'style']) expect(text).toContain(part);
    await visitor.page.waitForTimeout(500); // PhotoSwipe's own opening
    await visitor.look('large');

    const at = param('at');
    await visitor.page.keyboard.press('ArrowRight');
    await visitor.page.waitForFunction((at) => new URL(location.href).searchParams.get('at') !== at, at);
    await visitor.page.goBack();
    await dialog.waitFor({ state: 'detached' });
    expect(param('at')).toBeNull();
    expect(param('q')).toBe('red apple');
  });

  test('opens from a link, and leads to more like it', async () => {
    visitor = await Visitor.come(browser, '/?q=red+apple&at=noto%2F1F34E', { colorScheme: 'dark' });
    const dialog = visitor.page.getByRole('dialog');
    await dialog.getByText('Fields').waitFor();
    await visitor.page.waitForTimeout(500);
    await visitor.look('large-dark');
    await dialog.getByRole('button', { name: 'More like this' }).click();
    await visitor.page.waitForURL(/like=noto%2F1F34E/);
    await dialog.waitFor({ state: 'detached' });
    await visitor.results();
    await visitor.look('more-like-this');
  });
});

describe('Chinese', () => {
  test('is the language of the page, the query and the captions', async () => {
    visitor = await Visitor.come(browser, '/', { locale: 'zh-CN' });
    await visitor.tiles.nth(20).waitFor();
    await visitor.page.locator('.examples a').first().waitFor();
    await visitor.look('chinese-start');
    await visitor.find('红色的水果');
    expect((await visitor.captions(5)).join('')).toMatch(/\p{Script=Han}/u);
    expect(await visitor.page.locator('html').getAttribute('lang')).toBe('zh-Hans');
    await visitor.look('chinese');
    await visitor.page.getByRole('button', { name: /switch to English/ }).click();
    await visitor.page.getByRole('button', { name: 'Search', exact: true }).waitFor();
    await visitor.page.reload();
    await visitor.page.getByRole('button', { name: 'Search', exact: true }).waitFor();
  });
});

describe('on a phone', () => {
  const phone = {
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 2,
    hasTouch: true,
    isMobile: true,
  };

  test('everything fits', async () => {
    visitor = await Visitor.come(browser, '/', phone);
    await visitor.tiles.nth(12).waitFor();
    await visitor.page.locator('.examples a').first().waitFor();
    await visitor.look('phone-start');
    await visitor.find('a yellow flower');
    await visitor.look('phone');
    const wide = await visitor.page.evaluate(() => document.documentElement.scrollWidth);
    expect(wide).toBe(390);
    await visitor.tiles.nth(2).locator('a').tap();
    await visitor.page.getByRole('dialog').getByText('Fields').waitFor();
    await visitor.page.waitForTimeout(500);
    await visitor.look('phone-large');
  });
});

describe('dark', () => {
  test('is what the system says, until chosen otherwise', async () => {
    visitor = await Visitor.come(browser, '/?q=night+sky', { colorScheme: 'dark' });
    await visitor.results();
    await visitor.look('dark');
    const paper = () => visitor.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const dark = await paper();
    await visitor.page.getByRole('button', { name: 'Theme: as the system' }).click();
    const light = await paper();
    expect(light).not.toBe(dark);
    await visitor.page.reload();
    await visitor.results();
    expect(await paper()).toBe(light);
  });
});

describe('when something is wrong', () => {
  test('a file that is no picture is refused with a reason and a request id', async () => {
    visitor = await Visitor.come(browser);
    await visitor.bar.waitFor();
    await visitor.drop(Buffer.from('this is no picture'), 'cat.jpg', 'image/jpeg');
    await visitor.page.getByRole('alert').waitFor();
    expect(await visitor.page.getByRole('alert').innerText()).toMatch(/Request \S{4,}/);
    await visitor.look('error');
    await visitor.page.getByRole('alert').getByRole('button', { name: 'Remove your picture' }).click();
    await visitor.find('red apple'); // and the page goes on
  });

  test('a service that is gone is said to be, and asked again', async () => {
    visitor = await Visitor.come(browser);
    await visitor.bar.waitFor();
    await visitor.page.context().setOffline(true);
    await visitor.bar.fill('red apple');
    await visitor.bar.press('Enter');
    await visitor.page.getByText('The service does not answer').waitFor();
    await visitor.look('offline');
    await visitor.page.context().setOffline(false);
    await visitor.page.getByRole('button', { name: 'Try again' }).click();
    await visitor.results();
  });
});

describe('the keyboard', () => {
  test('does everything', async () => {
    visitor = await Visitor.come(browser, '/?q=cat');
    await visitor.results();
    const { keyboard } = visitor.page;
    const focused = () =>
      visitor.page.evaluate(() => (document.activeElement as HTMLElement | null)?.dataset.key ?? null);
    const keys = await visitor.page
      .locator('.gallery a')
      .evaluateAll((all) => all.map((one) => (one as HTMLElement).dataset.key));

    await visitor.page.locator('body').click({ position: { x: 2, y: 400 } });
    await keyboard.press('/');
    expect(await visitor.bar.evaluate((one) => one === document.activeElement)).toBe(true);
    await keyboard.press('ArrowDown');
    expect(await focused()).toBe(keys[0]);
    await keyboard.press('ArrowRight');
    await keyboard.press('ArrowRight');
    expect(await focused()).toBe(keys[2]);
    await keyboard.press('ArrowLeft');
    expect(await focused()).toBe(keys[1]);
    await visitor.look('keyboard');
    await keyboard.press('ArrowDown');
    const below = await focused();
    expect(keys.indexOf(below ?? '')).toBeGreaterThan(3);

    await keyboard.press('Enter');
    await visitor.page.getByRole('dialog').getByText('Fields').waitFor();
    await visitor.page.waitForTimeout(500);
    await keyboard.press('Escape');
    await visitor.page.getByRole('dialog').waitFor({ state: 'detached' });
    await visitor.page.waitForFunction(
      (key) => (document.activeElement as HTMLElement | null)?.dataset.key === key,
      below,
    );
    await keyboard.press('m');
    await visitor.page.waitForURL(/like=/);
    await visitor.results();
    await keyboard.press('Escape');
    expect(await visitor.bar.evaluate((one) => one === document.activeElement)).toBe(true);
    await keyboard.press('Escape');
    await keyboard.press('?');
    await visitor.page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await visitor.look('shortcuts');
    await keyboard.press('Escape');
  });
});

describe('the back button', () => {
  test('leads through the searches, to where one was', async () => {
    visitor = await Visitor.come(browser);
    await visitor.find('fruit');
    const fruit = await visitor.captions(10);
    await visitor.page.evaluate(() => scrollTo(0, 300));
    await visitor.find('car');
    expect(await visitor.captions(10)).not.toEqual(fruit);
    let asked = 0;
    visitor.page.on('request', (request) => (asked += /\/search/.test(request.url()) ? 1 : 0));
    await visitor.page.goBack();
    await visitor.page.waitForURL(/q=fruit/);
    await visitor.page.waitForFunction(() => scrollY === 300);
    expect(await visitor.captions(10)).toEqual(fruit);
    expect(await visitor.bar.inputValue()).toBe('fruit');
    expect(asked).toBe(0); // what was found is still known
    await visitor.page.goBack();
    await visitor.page.getByRole('heading', { name: 'Find pictures' }).waitFor();
    expect(await visitor.bar.inputValue()).toBe('');
    await visitor.page.goForward();
    await visitor.results();
    expect(await visitor.captions(10)).toEqual(fruit);
  });
});
