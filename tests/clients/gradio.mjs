// @gradio/client against a running server: node gradio.mjs URL PICTURE KEY TOKEN
// PICTURE is the file of row KEY of collection "photos".
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Client, handle_file } from '@gradio/client';

const [url, picture, key, token] = process.argv.slice(2);
const app = await Client.connect(url, token ? { token } : {});

const info = await app.view_api();
assert.deepEqual(Object.keys(info.named_endpoints), ['/gradio_interface', '/search', '/search_image']);
assert.equal(info.named_endpoints['/gradio_interface'].parameters[1].parameter_default, 12);

const gallery = (await app.predict('/gradio_interface', ['a dog in the snow', 3])).data[0];
assert.equal(gallery.length, 3);
assert.equal(typeof gallery[0].caption, 'string');
const headers = token ? { Authorization: `Bearer ${token}` } : {};
const bytes = await (await fetch(gallery[0].image.url, { headers })).arrayBuffer();
assert.deepEqual([...new Uint8Array(bytes)].slice(0, 4), [0x89, 0x50, 0x4e, 0x47]);

const named = (await app.predict('/gradio_interface', { query: 'apple', num_results: 2 })).data[0];
assert.equal(named.length, 2);

const answer = (await app.predict('/search', ['apple', 'photos', 'keyword', 4, ''])).data[0];
assert.equal(answer.collection, 'photos');
assert.equal(answer.mode, 'keyword');
assert.deepEqual(answer.hits[0].matched, ['apple']);

const file = handle_file(new Blob([readFileSync(picture)], { type: 'image/png' }));
const similar = (await app.predict('/search_image', [file, '', 'photos', 1])).data[0];
assert.equal(similar[0].image.orig_name, key);

// Several at once in one session, and one that fails among them.
const several = await Promise.allSettled([
  app.predict('/gradio_interface', ['apple', 1]),
  app.predict('/search', ['apple', 'no-such-collection', 'auto', 1, '']),
  app.predict('/gradio_interface', ['pear', 2]),
]);
assert.deepEqual(several.map((one) => one.status), ['fulfilled', 'rejected', 'fulfilled']);
assert.match(several[1].reason.message, /no collection of that name/);
assert.equal(several[2].value.data[0].length, 2);

app.close();
console.log('ok');
process.exit(0);
