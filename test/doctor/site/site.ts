import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { onTestFinished } from 'vitest';
import { type Ended, postern as runPostern } from '../../cli/postern.ts';
import { projectRoot } from '../../harness/paths.ts';
import { apiListener, KEY, listening } from '../../support/postern.ts';
import {
  countAsked,
  gateSnippet,
  type Site,
  type SiteOptions,
  startSite,
} from '../../support/site.ts';

export interface BrokenSite
  extends Omit<Partial<SiteOptions>, 'files' | 'gate' | 'internal' | 'only'> {
  /** A second server in front of it, on `$front`, which the doctor attacks instead. */
  readonly front?: string;
  /** Instead of the public location. */
  readonly gate?: string;
  /** The content of the internal location; `inner` replaces the whole location. */
  readonly within?: string;
  readonly inner?: string;
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

export interface Doctored extends Pick<Site, 'nginx' | 'files' | 'postern'> {
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

const FILE = 'postern-doctor/canary.txt';
export const CANARY = `/download/${FILE}`;
/** `postern doctor` with these words and variables. */
export const doctor = (words: readonly string[], env: Readonly<Record<string, string>>) =>
  runPostern(['doctor', ...words], projectRoot, { env });

/**
 * A site with the snippets and the errors of the options, and functions to attack it. Concurrent tests pass
 * the `onTestFinished` of their context.
 */
export async function siteToAttack(
  { gate, asksApi, ...options }: BrokenSite = {},
  onFinished: (stop: () => Promise<void>) => void = onTestFinished,
): Promise<Doctored> {
  const { mode = 'auth_request', front, http = '' } = options;
  const { within = 'include postern/internal.conf; alias $files/;' } = options;
  const { inner = `location ^~ /protected/ { ${within} }` } = options;
  const { canary = randomBytes(1_500).toString('base64') } = options;
  let answerApi: RequestListener = () => {};
  const site = await startSite({
    ...options,
    mode,
    files: { ...(canary !== null && { [FILE]: canary }), '../static/empty': '' },
    ...(asksApi && { gate: (...both) => answerApi(...both) }),
    http: front === undefined ? http : `${http}\nserver { listen 127.0.0.1:$front; ${front} }`,
    only: `${gate ?? `location ^~ /download/ { ${gateSnippet(mode)} }`}\n${inner}`,
  });
  answerApi = apiListener(site.postern.api);
  const api = await listening(answerApi);
  onFinished(async () => void (await Promise.all([site.stop(), api.stop()])));
  const { nginx, files, postern } = site;
  const url = `http://127.0.0.1:${front === undefined ? nginx.port : nginx.ports[1]}/`;
  const address = `http://127.0.0.1:${api.port}`;
  const env = { POSTERN_API: address, POSTERN_API_KEY: KEY };
  const run = (...words: readonly string[]) =>
    doctor([url, '--internal', '/protected/', '--files', files, ...words], env);
  return {
    ...{ nginx, files, postern, url, run },
    api: address,
    asked: countAsked(site),
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
