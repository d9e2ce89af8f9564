// ONNX Runtime, driven as compare.py says: node onnx_peer.mjs FOLDER DATA THREADS f32|int8
import { readFileSync, writeFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const [folder, data, threads, precision] = process.argv.slice(2);
const ending = precision === 'int8' ? '.int8.onnx' : '.onnx';
const sessions = {};

async function session(tower) {
  sessions[tower] ??= await InferenceSession.create(`${folder}/${tower}${ending}`, {
    intraOpNumThreads: Number(threads),
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
  });
  return sessions[tower];
}

function inputs(tower, length, batch) {
  const bytes = readFileSync(`${data}/${tower === 'vision' ? 'pixels.f32' : `ids${length}.i64`}`);
  const each = tower === 'vision' ? 3 * 224 * 224 : length;
  const all = tower === 'vision'
    ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
    : new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
  const n = batch ?? all.length / each;
  const shape = tower === 'vision' ? [n, 3, 224, 224] : [n, length];
  return { input: new Tensor(tower === 'vision' ? 'float32' : 'int64', all.slice(0, n * each), shape) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, tower, length, ...rest] = line.split(' ');
  const model = await session(tower);
  if (verb === 'time') {
    const x = inputs(tower, Number(length), Number(rest[0]));
    const times = [];
    for (let i = 0; i < Number(rest[1]); ++i) {
      const start = performance.now();
      await model.run(x);
      times.push(performance.now() - start);
    }
    writeSync(1, `${times.join(' ')}\n`);
  } else if (verb === 'save') {
    const { embedding } = await model.run(inputs(tower, Number(length)));
    const values = embedding.data;
    writeFileSync(rest[0], new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    writeSync(1, 'saved\n');
  }
}
