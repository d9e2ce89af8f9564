// public/*.svg to the PNG icons that browsers and home screens ask for, drawn by Chromium.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const folder = fileURLToPath(new URL('../public/', import.meta.url));
const ICONS = [
  ['icon.svg', 'icon-192.png', 192],
  ['icon.svg', 'icon-512.png', 512],
  ['icon-maskable.svg', 'icon-maskable-512.png', 512],
  ['icon-maskable.svg', 'icon-180.png', 180], // iOS rounds the corners itself
];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
const page = await browser.newPage();
for (const [from, to, side] of ICONS) {
  await page.setViewportSize({ width: side, height: side });
  const svg = readFileSync(folder + from, 'utf8').replace('<svg ', `<svg width="${side}" height="${side}" `);
  await page.setContent(`<style>body{margin:0}svg{display:block}</style>${svg}`);
  writeFileSync(folder + to, await page.screenshot({ omitBackground: true }));
}
await browser.close();
