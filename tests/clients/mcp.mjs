// The official Model Context Protocol client against a running server: node mcp.mjs URL PICTURE KEY TOKEN
// PICTURE is the file of row KEY of collection "photos".
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { LATEST_PROTOCOL_VERSION } from '@modelcontextprotocol/sdk/types.js';

const [url, picture, key, token] = process.argv.slice(2);

const connect = async (path, words) => {
  const headers = words ? { Authorization: `Bearer ${words}` } : {};
  const transport = new StreamableHTTPClientTransport(new URL(`${url}${path}`), { requestInit: { headers } });
  const client = new Client({ name: 'pgmmr-clients-test', version: '1.0.0' });
  const mistakes = [];
  client.onerror = (error) => mistakes.push(error);
  await client.connect(transport);
  return { client, transport, mistakes };
};

const { client, transport, mistakes } = await connect('/mcp', token);
assert.equal(client.getServerVersion().name, 'pgmmr');
assert.equal(transport.protocolVersion, LATEST_PROTOCOL_VERSION);
assert.ok(client.getServerCapabilities().tools);
assert.match(client.getInstructions(), /describe_collections/);
assert.deepEqual(await client.ping(), {});

const { tools } = await client.listTools();
assert.deepEqual(tools.map((tool) => tool.name), ['search_images', 'get_image', 'describe_collections']);
for (const tool of tools) {
  assert.equal(tool.inputSchema.type, 'object');
  assert.equal(tool.annotations.readOnlyHint, true);
}

// What a tool gives: text that is the structured content as JSON, then pictures.
const call = async (name, args) => {
  const result = await client.callTool({ name, arguments: args });
  assert.ok(!result.isError, JSON.stringify(result.content));
  const [first, ...pictures] = result.content;
  assert.equal(first.type, 'text');
  assert.deepEqual(JSON.parse(first.text), result.structuredContent);
  for (const one of pictures) {
    assert.equal(one.type, 'image');
    assert.equal(one.mimeType, 'image/jpeg');
    assert.deepEqual([...Buffer.from(one.data, 'base64').subarray(0, 3)], [0xff, 0xd8, 0xff]);
  }
  return { ...result.structuredContent, pictures };
};

const { collections, pictures: none } = await call('describe_collections', {});
assert.deepEqual(collections.map((one) => [one.name, one.rows]), [['photos', 6]]);
assert.ok(collections[0].fields.includes('caption'));
assert.equal(none.length, 0);

const apples = await call('search_images', { query: 'apple', mode: 'keyword', limit: 2 });
assert.equal(apples.collection, 'photos');
assert.equal(apples.hits.length, 2);
assert.equal(apples.pictures.length, 2);
for (const hit of apples.hits) {
  assert.match(hit.caption, /apple/);
  assert.equal(hit.similarity, null);
}

const words = await call('search_images', { query: 'a dog in the snow', mode: 'vector', collection: 'photos' });
assert.equal(words.hits.length, 6);
assert.ok(words.hits.every((hit) => Math.abs(hit.similarity) <= 1));

const coded = readFileSync(picture).toString('base64');
const same = await call('search_images', { image_url: `data:image/png;base64,${coded}`, limit: 1 });
assert.equal(same.hits[0].key, key);
assert.ok(same.hits[0].similarity > 0.99);

const like = await call('search_images', { like: key, limit: 5 });
assert.equal(like.hits.length, 5);
assert.ok(like.hits.every((hit) => hit.key !== key));

const away = await call('search_images', { query: 'apple', negative: 'pear', mode: 'vector', limit: 3 });
assert.equal(away.hits.length, 3);

const item = await call('get_image', { key, max_side: 64 });
assert.equal(item.key, key);
assert.equal(item.fields.caption, 'a pear');
assert.equal(item.pictures.length, 1);

// A tool's own failure is a result, which the assistant reads.
const failure = async (name, args) => {
  const result = await client.callTool({ name, arguments: args });
  assert.equal(result.isError, true);
  assert.deepEqual(result.content.map((one) => one.type), ['text']);
  return result.content[0].text;
};
assert.match(await failure('search_images', { query: 'apple', collection: 'no-such' }), /no collection of that name.*photos/);
assert.match(await failure('search_images', { query: 'apple', limit: 0, mode: 'magic' }), /^limit is 0, expected 1 to 100; mode is "magic"/);
assert.match(await failure('search_images', { text: 'apple', k: 3 }), /^k is unknown.*; text is unknown, expected query,/);
assert.match(await failure('search_images', { negative: 7, query: 'x' }), /^negative is 7, expected text$/);
assert.match(await failure('search_images', {}), /nothing to search for/);
assert.match(await failure('get_image', { key: 'no-such-row' }), /no-such-row|no row of that key/);
assert.match(await failure('get_image', {}), /key/);
// What is no tool, or no method, is an error of the protocol.
await assert.rejects(client.callTool({ name: 'no-such-tool', arguments: {} }), { code: -32602 });
await assert.rejects(client.listPrompts(), /does not support prompts|-32601/);

// Several at once on one connection.
const several = await Promise.all(
  ['apple', 'pear', 'table'].map((query) => call('search_images', { query, mode: 'keyword', limit: 1 })));
assert.deepEqual(several.map((one) => one.hits.length), [1, 1, 1]);

// The address that Gradio's servers have.
const other = await connect('/gradio_api/mcp/', token);
assert.equal((await other.client.listTools()).tools.length, 3);

if (token) await assert.rejects(connect('/mcp', 'another token'), { code: 401 });

// Before closing: a stream that the client was still opening then ends as an error of its own making.
assert.deepEqual([...mistakes, ...other.mistakes], []);
await other.client.close();
await client.close();
console.log('ok');
process.exit(0);
