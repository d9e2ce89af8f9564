// A proxy that has the service below a prefix, as `location /pictures/ { proxy_pass http://service/; }` has.
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export class PrefixProxy {
  private constructor(
    readonly address: string,
    readonly strays: string[], // what was asked for beside the prefix
    readonly server: Server,
  ) {}

  static async start(service: string, prefix: string): Promise<PrefixProxy> {
    const strays: string[] = [];
    const server = createServer((asked, answer) => {
      const path = asked.url ?? '';
      if (!path.startsWith(prefix)) {
        strays.push(path);
        answer.writeHead(404).end();
        return;
      }
      const onward = request(
        new URL(path.slice(prefix.length - 1), service),
        { method: asked.method, headers: { ...asked.headers, host: new URL(service).host } },
        (reply) => {
          answer.writeHead(reply.statusCode ?? 502, reply.headers);
          reply.pipe(answer);
        },
      );
      onward.on('error', () => answer.destroy());
      asked.pipe(onward);
    });
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    const { port } = server.address() as AddressInfo;
    return new PrefixProxy(`http://127.0.0.1:${port}`, strays, server);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }
}
