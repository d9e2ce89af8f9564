// The service that the browser tests look at: the real program with a part of the sample collection, on
// a port of its own. Set PGMMR_PAGE_URL to look at one that runs already, PGMMR to choose the program.
// Ends with 77, ctest's sign for a test that was skipped, where there is no Chromium.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const program = process.env.PGMMR ?? join(root, 'build/release/pgmmr');
export const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';

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

// The program with a database of its own, empty at first.
export class OwnService {
  address = '';
  readonly #data = mkdtempSync(join(tmpdir(), 'pgmmr-page-'));
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;

  constructor(settings: Record<string, string> = {}) {
    if (!existsSync(program)) throw new Error(`no program at ${program}: build it, or set PGMMR`);
    chmodSync(this.#data, 0o711); // root's PostgreSQL runs as another account
    const { PGMMR_DATABASE_URL: _, PGMMR_TOKEN: __, ...env } = process.env;
    this.#env = { ...env, ...settings, PGMMR_DATA_DIR: this.#data };
  }

  // What the program says is shown where it fails.
  run(...words: string[]): void {
    execFileSync(program, words, { env: this.#env, stdio: 'pipe' });
  }

  // Returns once it answers.
  async serve(): Promise<void> {
    const port = await free_port();
    this.address = `http://127.0.0.1:${port}`;
    const child = spawn(program, ['serve', '--quiet', '--listen', `127.0.0.1:${port}`], {
      env: this.#env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    this.#child = child;
    for (;;) {
      if (child.exitCode !== null) throw new Error(`pgmmr serve ended with ${child.exitCode}`);
      const answer = await fetch(`${this.address}/readyz`).catch(() => null); // not yet listening
      if (answer?.ok) return;
      await new Promise((later) => setTimeout(later, 100));
    }
  }

  stop(): void {
    if (this.#child?.exitCode === null) this.#child.kill('SIGTERM');
    try {
      this.run('db', 'stop');
    } finally {
      rmSync(this.#data, { recursive: true, force: true });
    }
  }
}

export default async function setup({ provide }: TestProject): Promise<() => void> {
  if (!existsSync(chromium)) {
    console.error(`skipped: no Chromium at ${chromium}; install it, or set CHROMIUM`);
    process.exit(77);
  }
  const running = process.env.PGMMR_PAGE_URL;
  if (running) {
    provide('address', running.replace(/\/$/, ''));
    return () => {};
  }
  const service = new OwnService();
  try {
    const all = join(root, 'demo/emoji.parquet');
    const part = `SELECT * FROM '${all}' WHERE style = 'noto' AND "group" NOT IN ('flags', 'people-body')`;
    const captions = ['--caption', 'text_en', '--caption', 'text_zh'];
    service.run('ingest', part, '-c', 'demo', '--model', 'demo', ...captions);
    await service.serve();
  } catch (error) {
    service.stop();
    throw error;
  }
  provide('address', service.address);
  return () => service.stop();
}
