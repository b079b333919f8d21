import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot, temporaryFolder } from '../../dev/paths.ts';
import { onFreePorts } from '../../dev/ports.ts';
import { launch } from '../../dev/process.ts';
import { findTool } from '../../dev/tools.ts';
import { writeFiles } from '../support/files.ts';
import {
  createPostern,
  type IssuedToken,
  issueToken,
  type Listening,
  listening,
  type PosternOptions,
} from '../support/postern.ts';
import { type Headers, type RawAnswer, requestBytes, sendRaw } from '../support/raw.ts';

export interface CaddySiteOptions extends PosternOptions {
  /** Files by their name below the protected folder. */
  readonly files?: Readonly<Record<string, string | Buffer>>;
  /** Instead of the program's gate. */
  readonly gate?: Parameters<typeof listening>[0];
  /** Changes the Caddyfile. */
  readonly edit?: (text: string) => string;
}

export interface CaddySite {
  readonly port: number;
  readonly gate: Listening;
  /** The protected folder. */
  readonly files: string;
  readonly postern: ReturnType<typeof createPostern>;
  issue(body: object): Promise<IssuedToken>;
  /** One request exactly as written. */
  ask(
    method: string,
    target: string | Buffer,
    headers?: Headers,
    body?: string,
  ): Promise<RawAnswer>;
  /** What Caddy logged. */
  log(): string;
  stop(): Promise<void>;
}

/** The server block of caddy/Caddyfile, in front of the program's own gate. */
export async function startCaddySite(options: CaddySiteOptions = {}): Promise<CaddySite> {
  const postern = createPostern(options);
  const gate = await listening(options.gate ?? postern.gate);
  const folder = await temporaryFolder();
  const files = join(folder, 'protected');
  await mkdir(files);
  await writeFiles(files, options.files);
  const recipe = await readFile(join(projectRoot, 'caddy', 'Caddyfile'), 'utf8');
  const edited = (options.edit ?? ((text: string) => text))(recipe);
  const caddy = await findTool('caddy');
  const { port, running } = await onFreePorts(1, async ([port = 0]) => {
    const site = edited
      .replace('\nfiles.example {', `\nhttp://files.example:${port} {\n\tbind 127.0.0.1`)
      .replaceAll('127.0.0.1:7300', `127.0.0.1:${gate.port}`)
      .replace('root /srv', `root ${folder}`);
    await writeFile(join(folder, 'Caddyfile'), site.replace('\n{', '\n{\n\tadmin off'));
    const running = await launch({
      name: 'caddy',
      path: caddy.path,
      args: ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'],
      env: { ...process.env, ...caddy.env, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    });
    const isServing = () => running.stderr().includes('serving initial configuration');
    await running.ready(isServing, { what: 'Caddy to start' });
    return { port, running };
  });
  return {
    port,
    gate,
    files,
    postern,
    issue: (body) => issueToken(postern.api, body),
    ask: (method, target, headers, body) =>
      sendRaw(port, requestBytes(method, target, headers, body), method),
    log: running.stderr,
    async stop() {
      await Promise.all([running.stop(), gate.stop()]);
      await postern.store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
