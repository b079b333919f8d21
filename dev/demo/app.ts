import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { projectRoot } from '../../test/harness/paths.ts';
import { createTail, type Log } from './logs.ts';

interface AppOptions {
  readonly port: number;
  /** Postern's API, and the key for it. */
  readonly api: string;
  readonly key: string;
  /** The logs that the page shows. */
  readonly logs: Readonly<Record<'nginx' | 'postern', Log>>;
}

export type App = Awaited<ReturnType<typeof startApp>>;

/** The tokens that a user of the page can request. */
const GRANTS: Readonly<Record<string, object>> = {
  text: { path: '/download/hello.txt', filename: 'hello.txt' },
  picture: { path: '/media/picture.png', filename: 'picture.png' },
  film: { prefix: '/media/film/' },
  slow: { path: '/slow/large.bin', filename: 'large.bin' },
  once: {
    ...{ path: '/download/large.bin', filename: 'large.bin', max_uses: 1, confirm: true },
    // What the page of the button shows.
    ...{ size: 64 * 1024 * 1024, sender: 'Postern demo' },
  },
  folder: { prefix: '/download/gallery/', listing: true },
};

const FILES: Readonly<Record<string, readonly [type: string, file: string]>> = {
  '/': ['text/html; charset=utf-8', 'dev/demo/page.html'],
  '/app/page.css': ['text/css', 'dev/demo/page.css'],
  '/app/page.js': ['text/javascript', 'dev/demo/page.js'],
  '/app/film.js': ['text/javascript', 'dev/demo/film.js'],
};

const POLL_MS = 100;

/** The application of the demo: it issues tokens for its users, and shows what both servers log. */
export async function startApp({ port, api, key, logs }: AppOptions) {
  const app = new Hono();
  const call = (path: string, init: RequestInit) =>
    fetch(api + path, {
      ...init,
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    });

  for (const [path, [type, file]] of Object.entries(FILES)) {
    app.get(path, async (c) =>
      c.body(await readFile(join(projectRoot, file)), 200, {
        'Content-Type': type,
        'Cache-Control': 'no-cache',
      }),
    );
  }
  app.post('/app/links/:name', (c) => {
    const grant = GRANTS[c.req.param('name')];
    if (grant === undefined) return c.notFound();
    return call('/tokens', { method: 'POST', body: JSON.stringify({ ...grant, expires_in: 600 }) });
  });
  app.get('/app/links/:id', (c) => call(`/tokens/${encodeURIComponent(c.req.param('id'))}`, {}));
  app.delete('/app/links/:id', (c) =>
    call(`/tokens/${encodeURIComponent(c.req.param('id'))}`, { method: 'DELETE' }),
  );
  app.get('/app/events', (c) =>
    streamSSE(c, async (stream) => {
      const tails = await Promise.all(
        Object.entries(logs).map(async ([event, log]) => [event, await createTail(log)] as const),
      );
      while (!stream.aborted) {
        for (const [event, lines] of tails) {
          for (const data of await lines()) await stream.writeSSE({ event, data });
        }
        await stream.sleep(POLL_MS);
      }
    }),
  );

  const server = createServer(getRequestListener(app.fetch));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
