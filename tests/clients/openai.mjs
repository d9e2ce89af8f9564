// The official openai client against a running server: node openai.mjs URL PICTURE TOKEN
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';

const [url, picture, token] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: token || 'none', maxRetries: 0 });
const length = (v) => Math.hypot(...v);
const cosine = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);

// The client asks for base64 by itself, and decodes it.
const made = await client.embeddings.create({ model: 'any', input: ['a dog', 'a cat', 'a dog'] });
assert.equal(made.object, 'list');
assert.deepEqual(made.data.map((one) => one.index), [0, 1, 2]);
const [dog, cat, again] = made.data.map((one) => Array.from(one.embedding));
assert.ok(Math.abs(length(dog) - 1) < 1e-5);
assert.deepEqual(dog, again);
assert.notDeepEqual(dog, cat);

const plain = await client.embeddings.create({ model: 'any', input: 'a dog', encoding_format: 'float' });
assert.ok(cosine(plain.data[0].embedding, dog) > 0.999999);

const models = [];
for await (const model of client.models.list()) models.push(model);
assert.equal(models.length, 1);
assert.deepEqual(models[0].capabilities, ['embed', 'image_embed']);

// Pictures, as Infinity's, Jina's and vLLM's clients send them.
const coded = readFileSync(picture).toString('base64');
const data = `data:image/png;base64,${coded}`;
const infinity = await client.embeddings.create(
  { model: 'any', input: [data], modality: 'image', encoding_format: 'float' });
const jina = await client.embeddings.create(
  { model: 'any', input: [{ image: coded }, { text: 'a dog' }], encoding_format: 'float' });
const vllm = await client.post('/embeddings', {
  body: {
    model: 'any',
    messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: data } }] }],
    encoding_format: 'float',
  },
});
for (const one of [jina, vllm]) {
  assert.ok(cosine(one.data[0].embedding, infinity.data[0].embedding) > 0.999999);
}
assert.ok(cosine(jina.data[1].embedding, dog) > 0.999999);

for (const body of [{ input: [] }, { input: [1, 2] }, { input: 'a', dimensions: 7 }]) {
  await assert.rejects(client.embeddings.create({ model: 'any', ...body }), (error) => {
    assert.equal(error.status, 400);
    assert.equal(error.type, 'invalid_request_error');
    return true;
  });
}
console.log('ok');
