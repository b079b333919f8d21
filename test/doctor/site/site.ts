import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Ended, postern as runPostern } from '../../cli/postern.ts';
import { type Nginx, startNginx } from '../../harness/nginx.ts';
import { projectRoot, temporaryFolder } from '../../harness/paths.ts';
import {
  apiListener,
  createPostern,
  KEY,
  listening,
  type PosternOptions,
} from '../../support/postern.ts';
import { gateSnippet, type SiteMode } from '../../support/site.ts';

/** Each text can contain `$files`, `$port`, `$front` and `$dir`. */
export interface BrokenSite extends PosternOptions {
  /** Default: auth_request. */
  readonly mode?: SiteMode;
  /** Changes the texts of the snippets, by name. Fails if nothing changes. */
  readonly edit?: Readonly<Record<string, (text: string) => string>>;
  readonly http?: string;
  /** A second server in front of it, on `$front`, which the doctor attacks instead. */
  readonly front?: string;
  readonly server?: string;
  readonly locations?: string;
  /** Instead of the public location. */
  readonly gate?: string;
  /** The content of the internal location; `inner` replaces the whole location. */
  readonly within?: string;
  readonly inner?: string;
  readonly accessLog?: string;
  readonly canary?: string | Buffer | null;
  /** nginx's upstream is the API. */
  readonly asksApi?: true;
}

/** A broken site, and what the doctor finds. */
export interface Case {
  readonly broken: BrokenSite;
  /** Exactly these checks fail, separated by spaces, */
  readonly failed: string;
  /** or at least these. */
  readonly more?: true;
  readonly saw?: Readonly<Record<string, RegExp>>;
  readonly fix?: Readonly<Record<string, RegExp>>;
  readonly words?: readonly string[];
}

/** A site on which exactly one check fails. */
export const trap = (id: string, broken: BrokenSite, saw = /./): Case => ({
  ...{ broken, failed: id, saw: { [id]: saw } },
});

/** Replaces in a snippet. */
export const change =
  (from: string | RegExp, to = '') =>
  (text: string) =>
    text.replace(from, to);

export interface Doctored {
  readonly nginx: Nginx;
  readonly files: string;
  readonly postern: ReturnType<typeof createPostern>;
  readonly url: string;
  readonly api: string;
  /** The report of the doctor, with `--json`. */
  examine(...words: readonly string[]): Promise<Examined>;
  /** The same, without options. */
  examineAlone(): Promise<Examined>;
  /** The doctor itself, as a person runs it. */
  run(...words: readonly string[]): Promise<Ended>;
  readonly asked: () => number;
}

export interface Examined extends Ended {
  readonly requests: number;
  /** The verdict of each check, by its id, and what was seen. */
  readonly verdicts: Readonly<Record<string, string>>;
  readonly saw: Readonly<Record<string, string>>;
  readonly fix: Readonly<Record<string, string>>;
}

export const CANARY = '/download/postern-doctor/canary.txt';
/** `postern doctor` with these words and variables. */
export const doctor = (words: readonly string[], env: Readonly<Record<string, string>>) =>
  runPostern(['doctor', ...words], projectRoot, { env });

const USUAL = 'include postern/internal.conf; alias $files/;';

/**
 * A site with the snippets and the errors of the options, and functions to attack it. Concurrent tests pass
 * the `onTestFinished` of their context.
 */
export async function siteToAttack(
  options: BrokenSite = {},
  onFinished: (stop: () => Promise<void>) => void = onTestFinished,
): Promise<Doctored> {
  const postern = createPostern(options);
  const api = await listening(apiListener(postern.api));
  const gate = await listening(options.asksApi ? apiListener(postern.api) : postern.gate);
  const folder = await temporaryFolder();
  const files = join(folder, 'files');
  await mkdir(join(files, 'postern-doctor'), { recursive: true });
  await mkdir(join(folder, 'static'));
  const { canary = randomBytes(1_500).toString('base64') } = options;
  if (canary !== null) await writeFile(join(files, 'postern-doctor', 'canary.txt'), canary);
  const { within = USUAL, inner = `location ^~ /protected/ { ${within} }` } = options;
  const text = `
    include postern/http.conf;
    ${options.accessLog ?? 'access_log postern.log postern;'}
    upstream postern { server 127.0.0.1:${gate.port}; keepalive 256; }
    ${options.http ?? ''}
    server {
      listen 127.0.0.1:$port;
      server_name files.example;
      ${options.server ?? ''}
      include postern/auth-request.conf;
      ${options.gate ?? `location ^~ /download/ { ${gateSnippet(options.mode ?? 'auth_request')} }`}
      ${inner}
      ${options.locations ?? ''}
    }
    ${options.front === undefined ? '' : `server { listen 127.0.0.1:$front; ${options.front} }`}`;
  const nginx = await startNginx({
    ports: 2,
    config: ({ port, ports, dir }) =>
      inlined(text, options.edit ?? {})
        .replaceAll('$files', files)
        .replaceAll('$front', String(ports[1]))
        .replaceAll('$dir', dir)
        .replaceAll('$port', String(port)),
  });
  onFinished(async () => {
    await Promise.all([nginx.stop(), gate.stop(), api.stop()]);
    await postern.store.close();
    await rm(folder, { recursive: true, force: true });
  });
  const port = options.front === undefined ? nginx.port : nginx.ports[1];
  const url = `http://127.0.0.1:${port}/`;
  const address = `http://127.0.0.1:${api.port}`;
  const env = { POSTERN_API: address, POSTERN_API_KEY: KEY };
  const run = (...words: readonly string[]) =>
    doctor([url, '--internal', '/protected/', '--files', files, ...words], env);
  let asked = 0;
  gate.server.on('request', () => {
    asked += 1;
  });
  return {
    nginx,
    files,
    postern,
    url,
    api: address,
    asked: () => asked,
    run,
    examine: async (...words) => examined(await run('--json', ...words)),
    examineAlone: async () => examined(await doctor([url, '--json'], env)),
  };
}

function examined(ended: Ended): Examined {
  if (ended.stdout === '') throw new Error(`exit ${ended.code}: ${ended.stderr}`);
  const { checks, requests } = JSON.parse(ended.stdout) as {
    checks: readonly { id: string; verdict: string; saw: string; fix?: string }[];
    requests: number;
  };
  return {
    ...ended,
    requests,
    verdicts: Object.fromEntries(checks.map(({ id, verdict }) => [id, verdict])),
    saw: Object.fromEntries(checks.map(({ id, saw }) => [id, saw])),
    fix: Object.fromEntries(checks.map(({ id, fix = '' }) => [id, fix])),
  };
}

/** The changed snippets, with those that they include, replace their includes. */
function inlined(text: string, edit: NonNullable<BrokenSite['edit']>): string {
  const read = (name: string): string =>
    readFileSync(join(projectRoot, 'nginx', 'snippets', `${name}.conf`), 'utf8').replaceAll(
      /include postern\/(.+)\.conf;/g,
      (_, inner: string) => read(inner),
    );
  return Object.entries(edit).reduce((all, [name, change]) => {
    const own = read(name);
    const changed = change(own);
    const include = `include postern/${name}.conf;`;
    if (changed === own) throw new Error(`${name}.conf is as it was`);
    if (!all.includes(include)) throw new Error(`${name}.conf is not included`);
    return all.replaceAll(include, () => changed);
  }, text);
}
