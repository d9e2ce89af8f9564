// Fails the build where the page's scripts are above their budget, compressed as they are served.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const BUDGET = 150_000; // bytes of all scripts together, gzip
const folder = fileURLToPath(new URL('../dist/assets/', import.meta.url));
let gzip = 0;
let brotli = 0;
for (const name of readdirSync(folder).filter((one) => one.endsWith('.js'))) {
  const bytes = readFileSync(folder + name);
  gzip += gzipSync(bytes, { level: 9 }).length;
  brotli += brotliCompressSync(bytes).length;
}
console.log(`scripts: ${gzip} bytes gzip, ${brotli} brotli; budget ${BUDGET}`);
if (gzip > BUDGET) process.exit(1);
