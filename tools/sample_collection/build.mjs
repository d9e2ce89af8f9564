// Emoji pictures and their names -> demo/emoji.parquet, byte for byte the same each time.
//
// One row a picture, in the Hugging Face Image layout that `datasets` writes:
//   image    struct<bytes: binary, path: string>; WebP, RGB on white, no alpha
//   key      STYLE/CODEPOINTS, e.g. noto/1F34E; emojibase's hexcode is the thing's name
//   name_en, name_zh   emojibase's label
//   text_en, text_zh   a caption: the name, what kind of thing it is, its tags
//   group    emojibase's group key, e.g. food-drink
//   style    noto | twemoji | fluent
//   split    train | validation | test, as split.mjs says
//
// Sources are pinned by package-lock.json, and so is every encoder (sharp's own libwebp, DuckDB's
// own Parquet writer). Compositing and the 256 -> 128 reduction of Fluent are integer arithmetic
// here. Variants of a person are left out, for they are the same thing many times over: skin tones,
// and what `isVariant` says.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import sharp from 'sharp';
import { splits } from './split.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, '../../demo/emoji.parquet');
const modules = join(here, 'node_modules');
const json = (path) => JSON.parse(readFileSync(path, 'utf8'));
const bare = (hexcode) => hexcode.toLowerCase().replaceAll('-fe0f', '');

// Where each style keeps the picture of a thing; null where it has none.
function datasource(name, folder) {
  const files = new Map(json(join(modules, name, 'emoji.json'))
    .map((e) => [bare(e.unified), join(modules, name, 'img', folder, '64', e.image)]));
  return (hexcode) => files.get(bare(hexcode)) ?? null;
}
function fluent(hexcode) {
  const assets = join(modules, '@lobehub/fluent-emoji-3d/assets');
  const names = [hexcode.toLowerCase(), bare(hexcode)];
  return names.map((n) => join(assets, n + '.webp')).find(existsSync) ?? null;
}

// Whether a sequence is another form of a thing that is there without it: a sex (detective, man detective,
// woman detective), hair, a direction to face, or who a family or a couple is made of.
function isVariant(hexcode) {
  const points = hexcode.split('-');
  return points.includes('200D') && (['1F468', '1F469'].includes(points[0])  // man, woman, joined to something
    || points.some((p) => ['2640', '2642', '27A1', '1F9B0', '1F9B1', '1F9B2', '1F9B3', '1F9D2'].includes(p)));
}

const styles = {
  noto: datasource('emoji-datasource-google', 'google'),
  twemoji: datasource('emoji-datasource-twitter', 'twitter'),
  fluent,
};

// A picture file -> WebP of RGB on white, at most 128 pixels wide.
async function encode(path) {
  const { data, info } = await sharp(path).toColourspace('srgb').ensureAlpha().raw()
    .toBuffer({ resolveWithObject: true });
  const step = Math.max(1, Math.floor(info.width / 128));
  const [w, h] = [Math.floor(info.width / step), Math.floor(info.height / step)];
  const rgb = Buffer.alloc(w * h * 3);
  const n = 255 * step * step;
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++)
      for (let c = 0; c < 3; c++) {
        let sum = 0;  // of step x step composited samples, times 255
        for (let dy = 0; dy < step; dy++)
          for (let dx = 0; dx < step; dx++) {
            const at = ((y * step + dy) * info.width + x * step + dx) * 4;
            sum += data[at + c] * data[at + 3] + 255 * (255 - data[at + 3]);
          }
        rgb[(y * w + x) * 3 + c] = Math.floor((sum + n / 2) / n);
      }
  return sharp(rgb, { raw: { width: w, height: h, channels: 3 } })
    .webp({ quality: 90, effort: 6, smartSubsample: true }).toBuffer();
}

const en = json(join(modules, 'emojibase-data/en/data.json'));
const zh = new Map(json(join(modules, 'emojibase-data/zh/data.json')).map((e) => [e.hexcode, e]));
const messages = json(join(modules, 'emojibase-data/meta/groups.json'));
const kinds = json(join(here, 'kinds.json'));

const rows = [];
for (const thing of en.filter((e) => e.group !== undefined && e.group !== 2
  && !isVariant(e.hexcode)).sort((a, b) => a.order - b.order)) {
  const group = messages.groups[thing.group];
  const kind = kinds[messages.subgroups[thing.subgroup]];
  const chinese = zh.get(thing.hexcode);
  const tags = (e) => (e.tags ?? []).filter((t) => t.toLowerCase() !== e.label.toLowerCase());
  const caption = (name, colon, what, end, list, comma) =>
    name + colon + what + (list.length ? end + list.join(comma) : '');
  for (const [style, find] of Object.entries(styles)) {
    const path = find(thing.hexcode);
    if (!path) continue;
    rows.push({
      key: `${style}/${thing.hexcode}`, bytes: await encode(path),
      name_en: thing.label, name_zh: chinese.label,
      text_en: caption(thing.label, ', ', kind.en[0], ': ', tags(thing), ', '),
      text_zh: caption(chinese.label, '，', kind.zh[0], '：', tags(chinese), '、'),
      group, style,
    });
  }
}

const split = splits(rows.map((r) => r.key));
for (const r of rows) r.split = split.get(r.key);

const text = (c) => ({ [c]: { dtype: 'string', _type: 'Value' } });
const features = Object.assign({ image: { _type: 'Image' } },
  ...['key', 'name_en', 'name_zh', 'text_en', 'text_zh', 'group', 'style', 'split'].map(text));
const literal = (s) => `'${s.replaceAll("'", "''")}'`;

const db = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
await db.run(`CREATE TABLE emoji (image STRUCT(bytes BLOB, path VARCHAR), key VARCHAR, name_en VARCHAR,
  name_zh VARCHAR, text_en VARCHAR, text_zh VARCHAR, "group" VARCHAR, style VARCHAR, split VARCHAR)`);
const insert = await db.prepare(
  'INSERT INTO emoji VALUES ({bytes: $1, path: $2}, $3, $4, $5, $6, $7, $8, $9, $10)');
await db.run('BEGIN');
for (const r of rows) {
  insert.bindBlob(1, r.bytes);
  [r.key.replace('/', '-') + '.webp', r.key, r.name_en, r.name_zh, r.text_en, r.text_zh, r.group, r.style,
    r.split].forEach((v, i) => insert.bindVarchar(i + 2, v));
  await insert.run();
}
await db.run('COMMIT');
mkdirSync(dirname(out), { recursive: true });
rmSync(out, { force: true });
await db.run(`COPY emoji TO ${literal(out)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 2048,
  KV_METADATA {huggingface: ${literal(JSON.stringify({ info: { features } }))}})`);
const bytes = readFileSync(out);
console.log(`${out}: ${rows.length} pictures, ${bytes.length} bytes, sha256 ` +
  createHash('sha256').update(bytes).digest('hex'));
