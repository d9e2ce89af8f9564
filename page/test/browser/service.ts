// The service that the browser tests look at: the real program with the sample collection, on a port
// of its own. Set PGMMR_PAGE_URL to look at one that runs already, PGMMR to choose the program.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

const root = fileURLToPath(new URL('../../../', import.meta.url));

declare module 'vitest' {
  export interface ProvidedContext {
    address: string;
  }
}

async function free_port(): Promise<number> {
  const server = createServer();
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}

async function answers(address: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 300; ++tries) {
    if (child.exitCode !== null) throw new Error(`pgmmr serve ended with ${child.exitCode}`);
    try {
      if ((await fetch(`${address}/readyz`)).ok) return;
    } catch {
      // Not yet listening.
    }
    await new Promise((later) => setTimeout(later, 200));
  }
  throw new Error(`pgmmr serve did not answer at ${address}`);
}

export default async function setup({ provide }: TestProject): Promise<() => void> {
  const running = process.env.PGMMR_PAGE_URL;
  if (running) {
    provide('address', running.replace(/\/$/, ''));
    return () => {};
  }
  const program = process.env.PGMMR ?? join(root, 'build/release/pgmmr');
  if (!existsSync(program)) throw new Error(`no program at ${program}: build it, or set PGMMR`);
  const data = mkdtempSync(join(tmpdir(), 'pgmmr-page-'));
  const env = { ...process.env, PGMMR_DATA_DIR: data };
  const sample = join(root, 'demo/emoji.parquet');
  const captions = ['--caption', 'text_en', '--caption', 'text_zh'];
  execFileSync(program, ['ingest', sample, '-c', 'demo', '--model', 'demo', ...captions], { env });
  const port = await free_port();
  const child = spawn(program, ['serve', '--listen', `127.0.0.1:${port}`], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const address = `http://127.0.0.1:${port}`;
  const stop = () => {
    if (child.pid && child.exitCode === null) child.kill('SIGTERM');
    try {
      execFileSync(program, ['db', 'stop'], { env, stdio: 'ignore' });
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  };
  try {
    await answers(address, child);
  } catch (error) {
    stop();
    throw error;
  }
  provide('address', address);
  return stop;
}
