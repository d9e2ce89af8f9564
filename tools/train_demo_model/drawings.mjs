// Everything the trainer reads, as plain files in work/:
//
//   work/collection/KEY.webp    the pictures of demo/emoji.parquet, as they are (for evaluation)
//   work/drawings/STYLE/HEX.png the same things with transparency, and in seven more styles
//   work/things.json            [{hex, en: {name, tags}, zh: {name, tags}, group, kind, order}]
//   work/rows.json              [{key, file}] of the collection, in its order
//
// The extra styles are only trained on, never shipped: Noto's older drawings (Apache-2.0), EmojiOne 2
// (CC BY 4.0) and 1 (CC BY-SA 4.0), Firefox OS (Apache-2.0), Fluent flat and Fluent colour (MIT), OpenMoji
// (CC BY-SA 4.0), SVGs in iconify's JSON.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import sharp from 'sharp';

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, 'node_modules');
const work = join(here, 'work');
const json = (path) => JSON.parse(readFileSync(path, 'utf8'));
const bare = (hexcode) => hexcode.toLowerCase().replaceAll('-fe0f', '');

rmSync(work, { recursive: true, force: true });
mkdirSync(join(work, 'collection'), { recursive: true });

// The collection as it is shipped.
const db = await (await DuckDBInstance.create(':memory:')).connect();
const result = await db.runAndReadAll(
  `SELECT key, image.bytes AS bytes FROM '${join(here, '../../demo/emoji.parquet').replaceAll("'", "''")}'`);
const rows = result.getRows().map(([key, blob]) => {
  const file = `collection/${key.replace('/', '-')}.webp`;
  writeFileSync(join(work, file), blob.bytes);
  return { key, file };
});
writeFileSync(join(work, 'rows.json'), JSON.stringify(rows, null, 0));

// The things and their words.
const groups = json(join(modules, 'emojibase-data/meta/groups.json'));
const zh = new Map(json(join(modules, 'emojibase-data/zh/data.json')).map((e) => [e.hexcode, e]));
const things = json(join(modules, 'emojibase-data/en/data.json'))
  .filter((e) => e.group !== undefined && e.group !== 2).sort((a, b) => a.order - b.order);
writeFileSync(join(work, 'things.json'), JSON.stringify(things.map((e) => ({
  hex: e.hexcode, en: { name: e.label, tags: e.tags ?? [] },
  zh: { name: zh.get(e.hexcode).label, tags: zh.get(e.hexcode).tags ?? [] },
  group: groups.groups[e.group], kind: groups.subgroups[e.subgroup],
})), null, 0));

// Drawings with transparency in the three shipped styles.
for (const style of ['noto', 'twemoji', 'fluent', 'noto-old', 'emojione', 'firefox', 'fluent-flat', 'fluent-colour',
  'emojione-old', 'openmoji'])
  mkdirSync(join(work, 'drawings', style), { recursive: true });
for (const [style, name, folder] of [['noto', 'google', 'google'], ['twemoji', 'twitter', 'twitter']]) {
  const source = join(modules, `emoji-datasource-${name}`);
  const files = new Map(json(join(source, 'emoji.json')).map((e) => [bare(e.unified), e.image]));
  for (const { hexcode } of things) {
    const file = files.get(bare(hexcode));
    if (file) copyFileSync(join(source, 'img', folder, '64', file), join(work, 'drawings', style, `${hexcode}.png`));
  }
}
for (const { hexcode } of things) {
  const file = [hexcode.toLowerCase(), bare(hexcode)]
    .map((n) => join(modules, '@lobehub/fluent-emoji-3d/assets', `${n}.webp`)).find(existsSync);
  if (file) copyFileSync(file, join(work, 'drawings/fluent', `${hexcode}.webp`));
}

// Iconify names its icons by words only, so they are matched by words: the label first, then
// Unicode's name, then the usual short names; letters and digits alone count.
const letters = (s) => s.normalize('NFD').toLowerCase().replaceAll('&', 'and').replace(/[^a-z0-9]/g, '');
const unicode = json(join(modules, 'emojibase-data/meta/unicode-names.json'));
const shorts = ['cldr', 'emojibase', 'iamcal', 'github', 'joypixels']
  .map((s) => json(join(modules, `emojibase-data/en/shortcodes/${s}.json`)));
const hexOf = new Map();
const learn = (words, hexcode) => {
  for (const w of words.flat()) if (w && !hexOf.has(letters(w))) hexOf.set(letters(w), hexcode);
};
for (const e of things)
  learn([e.label, ...(e.label.startsWith('flag: ') ? [`flag for ${e.label.slice(6)}`] : [])], e.hexcode);
for (const e of things) learn([unicode[e.hexcode], unicode[e.hexcode.replaceAll('-FE0F', '')]], e.hexcode);
for (const e of things) learn(shorts.map((s) => s[e.hexcode] ?? []), e.hexcode);

for (const [style, set] of [['noto-old', 'noto-v1'], ['emojione', 'emojione'], ['firefox', 'fxemoji'],
  ['fluent-flat', 'fluent-emoji-flat'], ['fluent-colour', 'fluent-emoji'], ['emojione-old', 'emojione-v1'],
  ['openmoji', 'openmoji']]) {
  const { icons, aliases = {}, width, height } = json(join(modules, '@iconify-json', set, 'icons.json'));
  const body = new Map();
  for (const name of [...Object.keys(icons), ...Object.keys(aliases)]) {
    const alias = aliases[name];
    if (alias && (alias.rotate || alias.hFlip || alias.vFlip)) continue;
    const icon = icons[alias ? alias.parent : name];
    const hexcode = hexOf.get(letters(name));
    if (icon && hexcode && !body.has(hexcode)) body.set(hexcode, icon);
  }
  for (const [hexcode, icon] of body) {
    const [w, h] = [icon.width ?? width, icon.height ?? height];
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ` +
      `width="128" height="128" viewBox="0 0 ${w} ${h}">${icon.body}</svg>`;
    await sharp(Buffer.from(svg)).png({ compressionLevel: 1 }).toFile(join(work, 'drawings', style, `${hexcode}.png`));
  }
  console.log(`${style}: ${body.size} drawings`);
}
