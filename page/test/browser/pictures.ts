// Pictures of shapes that photographs rarely have, drawn by the browser: some as files for an ingest.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';

export interface Drawn {
  name: string; // of the file, without its ending
  width: number;
  height: number;
  round?: boolean; // a disc on nothing: transparent at the corners
  caption?: string;
}

export async function draw(browser: Browser, folder: string, pictures: readonly Drawn[]): Promise<void> {
  const page = await browser.newPage();
  for (const [i, one] of pictures.entries()) {
    const base64 = await page.evaluate(
      ({ width, height, round, hue }) => {
        const canvas = document.createElement('canvas');
        canvas.width = width;
        canvas.height = height;
        const context = canvas.getContext('2d')!;
        const fill = context.createLinearGradient(0, 0, width, height);
        fill.addColorStop(0, `hsl(${hue} 70% 62%)`);
        fill.addColorStop(1, `hsl(${hue + 60} 60% 32%)`);
        context.fillStyle = fill;
        const half = Math.min(width, height) / 2;
        if (round) context.arc(width / 2, height / 2, half, 0, 7);
        else context.rect(0, 0, width, height);
        context.fill();
        return canvas.toDataURL('image/png').split(',')[1]!;
      },
      { ...one, hue: i * 40 },
    );
    writeFileSync(join(folder, `${one.name}.png`), Buffer.from(base64, 'base64'));
    if (one.caption) writeFileSync(join(folder, `${one.name}.txt`), one.caption);
  }
  await page.close();
}
