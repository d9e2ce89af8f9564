// The service's contract for work on the page alone, spoken by the command line: every search runs
// `pgmmr search --format json`, every picture comes from the database. Slow, and only for
// development; the tests use the real service.
//
//   PGMMR=../build/release/pgmmr node dev/service.mjs [PORT]     serves dist/ as well
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, existsSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = fileURLToPath(new URL('.', import.meta.url));
const program = process.env.PGMMR ?? join(here, '../../build/release/pgmmr');
const dist = join(here, '../dist');
const scratch = mkdtempSync(join(tmpdir(), 'pgmmr-page-'));
const port = Number(process.argv[2] ?? 7860);

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; " +
  "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'";

class Refusal extends Error {
  constructor(status, title, detail) {
    super(detail);
    Object.assign(this, { status, title });
  }
}

const pgmmr = async (...args) => {
  try {
    return (await run(program, args, { maxBuffer: 1 << 28 })).stdout;
  } catch (error) {
    const detail = String(error.stderr).trim().replace(/^pgmmr: /, '').replace(/\/\S*\/[0-9a-f]{64}/, 'image');
    if (/^image: /.test(detail)) throw new Refusal(415, 'Not a picture that can be read', detail);
    throw new Refusal(400, 'This search cannot be done', detail);
  }
};

const sql = async (statement) => (await pgmmr('db', 'psql', '-q', '-A', '-t', '-c', statement)).trim();
const quoted = (text) => `'${text.replaceAll("'", "''")}'`;
const address = (collection, key, what) =>
  `/api/v1/collections/${collection}/${what}?${new URLSearchParams({ key })}`;

const cache = new Map();
async function once(name, make) {
  if (!cache.has(name)) cache.set(name, make().catch((error) => (cache.delete(name), Promise.reject(error))));
  return cache.get(name);
}

const collections = () =>
  once('collections', async () => {
    const names = await sql("SELECT string_agg(name, ',') FROM pgmmr.collection");
    const all = [];
    for (const name of names.split(',').filter(Boolean)) {
      all.push({
        name,
        rows: Number(await sql(`SELECT count(*) FROM "${name}"`)),
        model: 'demo',
        captions: [
          { name: 'text_en', language: 'english' },
          { name: 'text_zh', language: 'icu' },
        ],
        fields: [],
        searchable: { vector: true, keyword: true },
      });
    }
    return all;
  });

function decorate(collection, hit, text) {
  const wanted = /\p{Script=Han}/u.test(text) ? 'text_zh' : 'text_en';
  const words = text.toLowerCase().split(/\s+/).filter((word) => word.length > 2);
  const caption = String(hit.fields[wanted] ?? '');
  return {
    ...hit,
    caption,
    thumbnail: address(collection, hit.key, 'thumbnail'),
    picture: address(collection, hit.key, 'picture'),
    matched: hit.keyword_rank ? words.filter((word) => caption.toLowerCase().includes(word)) : [],
  };
}

async function search(parts) {
  const { collection = 'demo', text = '', like, not, mode = 'auto', image, image_url } = parts;
  if (image_url) throw new Refusal(502, 'The picture could not be fetched', `fetching ${image_url}: no network here`);
  const k = Number(parts.k ?? 20);
  const offset = Number(parts.offset ?? 0);
  const args = ['search', '-c', collection, '--mode', mode, '--format', 'json', '-k', String(k + offset + 1)];
  if (image) {
    const file = join(scratch, createHash('sha256').update(image).digest('hex'));
    if (!existsSync(file)) writeFileSync(file, image);
    args.push('--image', file);
  }
  if (like) args.push('--like', like);
  if (not) args.push('--not', not);
  if (text) args.push('--', text);
  const answer = JSON.parse(await once(JSON.stringify(args), () => pgmmr(...args)));
  const hits = answer.hits.slice(offset, offset + k).map((hit) => decorate(collection, hit, text));
  return { ...answer, hits, offset, more: answer.hits.length > offset + k };
}

async function body_of(request) {
  const bytes = [];
  for await (const part of request) bytes.push(part);
  const body = Buffer.concat(bytes);
  const type = request.headers['content-type'] ?? '';
  if (type.startsWith('application/json')) return JSON.parse(body.toString());
  const form = await new Response(body, { headers: { 'content-type': type } }).formData();
  const parts = {};
  for (const [name, value] of form) {
    parts[name] = typeof value === 'string' ? value : Buffer.from(await value.arrayBuffer());
  }
  return parts;
}

// All of a collection's pictures at once: a program started for each would take seconds a page.
const media = (collection, column) =>
  once(`media ${collection} ${column}`, async () => {
    const rows = await sql(
      `SELECT key || E'\t' || translate(encode(coalesce(${column}, image), 'base64'), E'\n', '') FROM "${collection}_media"`,
    );
    return new Map(rows.split('\n').map((row) => row.split('\t')));
  });

async function picture(collection, key, what) {
  const text = (await media(collection, what === 'picture' ? 'image' : 'thumbnail')).get(key);
  if (!text) throw new Refusal(404, 'Not found', `collection ${collection} has no row ${key}`);
  return Buffer.from(text, 'base64');
}

async function item(collection, key) {
  const row = JSON.parse(
    (await sql(`SELECT row_to_json(t) FROM "${collection}" t WHERE key = ${quoted(key)}`)) || 'null',
  );
  if (!row) throw new Refusal(404, 'Not found', `collection ${collection} has no row ${key}`);
  const { width, height, image_uri, ...fields } = row;
  for (const own of ['key', 'caption_words', 'caption_tsv', 'embedding']) delete fields[own];
  return decorate(collection, { key, image: image_uri, width, height, fields }, '');
}

async function answer(request, response) {
  const url = new URL(request.url, 'http://localhost');
  const json = (value) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(value));
  };
  const path = url.pathname;
  if (path === '/api/v1/service')
    return json({
      name: 'pgmmr', version: 'dev', ready: true, image_url: true,
      auth: { required: false, authenticated: true },
      limits: { body_bytes: 20_000_000, pixels: 1e8, hits: 1000, text_bytes: 10_000 },
    });
  if (path === '/api/v1/collections') return json({ collections: await collections() });
  if (path === '/api/v1/search')
    return json(await search(request.method === 'POST' ? await body_of(request) : Object.fromEntries(url.searchParams)));
  const found = /^\/api\/v1\/collections\/([\w-]+)\/(item|thumbnail|picture)$/.exec(path);
  if (found) {
    const key = url.searchParams.get('key') ?? '';
    if (found[2] === 'item') return json(await item(found[1], key));
    const bytes = await picture(found[1], key, found[2]);
    response.setHeader('content-type', bytes[0] === 0x52 ? 'image/webp' : 'image/jpeg');
    response.setHeader('cache-control', 'private, max-age=86400');
    return response.end(bytes);
  }
  const file = join(dist, normalize(path === '/' ? '/index.html' : path));
  if (!file.startsWith(dist) || !existsSync(file) || !statSync(file).isFile())
    throw new Refusal(404, 'Not found', `no page ${path}`);
  response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
  response.setHeader('content-security-policy', POLICY);
  createReadStream(file).pipe(response);
}

createServer((request, response) => {
  const id = randomUUID().slice(0, 8);
  response.setHeader('x-request-id', id);
  answer(request, response).catch((error) => {
    response.statusCode = error.status ?? 500;
    response.setHeader('content-type', 'application/problem+json');
    response.end(
      JSON.stringify({
        type: 'about:blank',
        title: error.title ?? 'The service failed',
        status: response.statusCode,
        detail: error.message,
        request_id: id,
      }),
    );
  });
}).listen(port, '127.0.0.1', () => console.error(`http://127.0.0.1:${port}`));
