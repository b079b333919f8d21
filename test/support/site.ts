import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { StoreUnavailable } from '../../service/token/store.ts';
import { type Nginx, startNginx } from '../harness/nginx.ts';
import { temporaryFolder } from '../harness/paths.ts';
import { waitFor } from '../harness/wait.ts';
import { writeFiles } from './files.ts';
import { forTest } from './for-test.ts';
import {
  createPostern,
  type IssuedToken,
  issueToken,
  type Listening,
  listening,
  type PosternOptions,
} from './postern.ts';
import { type Headers, type RawAnswer, requestBytes, sendRaw } from './raw.ts';

export type SiteMode = 'auth_request' | 'X-Accel';
export const modes: readonly SiteMode[] = ['auth_request', 'X-Accel'];

export function gateSnippet(mode: SiteMode): string {
  return `include postern/${mode === 'auth_request' ? 'protect' : 'x-accel'}.conf;`;
}

/**
 * In each piece of configuration, `$files` is the folder of the files, `$port` nginx's port, `$front` a second one,
 * and `$dir` the folder of nginx.
 */
interface FrontOptions {
  readonly mode: SiteMode;
  /** Files by their name below the protected folder. */
  readonly files?: Readonly<Record<string, string | Buffer>>;
  /** Lines in the http block, before the server. */
  readonly http?: string;
  /** Lines in the server block, before the locations. */
  readonly server?: string;
  /** Of the internal location. Default: the files with internal.conf. */
  readonly internal?: string;
  /** More locations. */
  readonly locations?: string;
  /** Instead of the two usual locations. */
  readonly only?: string;
  readonly serverName?: string;
  /** Changes the texts of the snippets, by name, with those that they include. Fails if nothing changes. */
  readonly edit?: Readonly<Record<string, (text: string) => string>>;
  /** The lines of the upstream. Of `startSite`: only the servers; its gate is `unix:$dir/gate.sock`. */
  readonly servers?: string;
  /** The format of the access log, or `off`. */
  readonly log?: string;
  readonly workers?: number;
}

export interface SiteOptions extends PosternOptions, Omit<FrontOptions, 'log'> {
  /** Instead of the program's gate. */
  readonly gate?: RequestListener;
  /** Around the program's gate. */
  readonly around?: (gate: RequestListener) => RequestListener;
}

export interface Site {
  readonly nginx: Nginx;
  readonly gate: Omit<Listening, 'port'>;
  /** The protected folder; other files beside it are in `<files>/../`. */
  readonly files: string;
  readonly postern: ReturnType<typeof createPostern>;
  issue(body: object): Promise<IssuedToken>;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** One request exactly as written; `target` as UTF-8 if it is a string. */
  ask(
    method: string,
    target: string | Buffer,
    headers?: Headers,
    body?: string | Buffer,
  ): Promise<RawAnswer>;
  /** The log in the snippets' own format. */
  log(): Promise<string>;
  /** Its line with this value, when there is one. */
  line(value: string): Promise<Record<string, unknown>>;
  stop(): Promise<void>;
}

/** nginx with the snippets, over a folder of files. Thousands of clients may connect at once. */
export async function startFront(options: FrontOptions) {
  const folder = await temporaryFolder();
  const remove = () => rm(folder, { recursive: true, force: true });
  const files = join(folder, 'files');
  await mkdir(files);
  await writeFiles(files, options.files);
  const { internal = 'include postern/internal.conf; alias $files/;' } = options;
  const usual = `
    location ^~ /download/ { ${gateSnippet(options.mode)} }
    location ^~ /protected/ { ${internal} }`;
  const nginx = await startNginx({
    ports: 2,
    workers: options.workers ?? 1,
    config: ({ port, ports, dir }) => {
      for (const [name, change] of Object.entries(options.edit ?? {})) {
        editSnippet(join(dir, 'postern'), name, change);
      }
      return `
      keepalive_requests 1000000;
      include postern/http.conf;
      access_log ${options.log ?? 'off'};
      upstream postern { ${options.servers} }
      ${options.http ?? ''}
      server {
        listen 127.0.0.1:$port backlog=4096;
        server_name ${options.serverName ?? 'files.example'};
        ${options.server ?? ''}
        include postern/auth-request.conf;
        ${options.only ?? usual}
        ${options.locations ?? ''}
      }`
        .replaceAll('$files', files)
        .replaceAll('$port', String(port))
        .replaceAll('$front', String(ports[1]))
        .replaceAll('$dir', dir);
    },
  }).catch(async (error) => {
    await remove();
    throw error;
  });
  return {
    nginx,
    files,
    async stop() {
      await nginx.stop();
      await remove();
    },
  };
}

/** nginx with the snippets, before the program's own gate, over a folder of files. */
export async function startSite(options: SiteOptions): Promise<Site> {
  const postern = createPostern(options);
  const { around = (gate) => gate } = options;
  const front = await startFront({
    ...options,
    log: 'postern.log postern',
    servers: `${options.servers ?? 'server unix:$dir/gate.sock;'} keepalive 256;`,
  });
  const { nginx, files } = front;
  // If the gate stops, no other test can get its address, as it could get a port.
  const gate = await listening(options.gate ?? around(postern.gate), join(nginx.dir, 'gate.sock'));
  gate.server.on('clientError', postern.denyUnreadable);
  const log = () => readFile(join(nginx.dir, 'postern.log'), 'utf8');
  return {
    nginx,
    gate,
    files,
    postern,
    // A test can take longer than the two minutes that a token usually has.
    issue: (body) => issueToken(postern.api, { expires_in: 3600, ...body }),
    fetch: (path, init) => fetch(nginx.url(path), { redirect: 'manual', ...init }),
    ask: (method, target, headers, body) =>
      sendRaw(nginx.port, requestBytes(method, target, headers, body), method),
    log,
    async line(value) {
      const find = async () => (await log()).split('\n').find((one) => one.includes(`"${value}"`));
      return JSON.parse(await waitFor(find, { what: `the line with ${value}`, saw: log }));
    },
    async stop() {
      await Promise.all([front.stop(), gate.stop()]);
      await postern.store.close();
    },
  };
}

function editSnippet(folder: string, name: string, change: (text: string) => string): void {
  const read = (one: string): string =>
    readFileSync(join(folder, `${one}.conf`), 'utf8').replaceAll(
      /include postern\/(.+)\.conf;/g,
      (_, inner: string) => read(inner),
    );
  const changed = change(read(name));
  if (changed === read(name)) throw new Error(`${name}.conf is as it was`);
  writeFileSync(join(folder, `${name}.conf`), changed);
}

/** Each look-up fails while the function returns true. */
export function failWhile({ postern: { store } }: Site, isDown: () => boolean): void {
  const { find } = store;
  store.find = (id) => (isDown() ? Promise.reject(new StoreUnavailable('gone')) : find(id));
}

/** The number of requests that the gate has got since now. */
export function countAsked({ gate }: Site): () => number {
  let asked = 0;
  gate.server.on('request', () => {
    asked += 1;
  });
  return () => asked;
}

/** nginx with one file, `/download/a`. */
export async function frontForTest(options: FrontOptions): Promise<Nginx> {
  return (await forTest(startFront({ files: { a: 'file a' }, ...options }))).nginx;
}

export const siteForTest = (options: SiteOptions): Promise<Site> => forTest(startSite(options));

/** A site for all tests of a `describe`. It has its members when `prepare` is called, and in the tests. */
export function useSite(
  options: SiteOptions | (() => SiteOptions | Promise<SiteOptions>),
  prepare: (site: Site) => unknown = () => {},
): Site {
  const site = {} as Site;
  beforeAll(async () => {
    Object.assign(site, await startSite(typeof options === 'function' ? await options() : options));
    await prepare(site);
  });
  afterAll(() => site.stop());
  return site;
}
