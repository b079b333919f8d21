import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { onTestFinished } from 'vitest';
import { projectRoot } from '../../harness/paths.ts';
import { type Ended, postern as runPostern } from '../cli/postern.ts';
import { apiListener, KEY, listening } from '../postern.ts';
import { countAsked, gateSnippet, type SiteOptions, startSite } from '../site.ts';

export interface BrokenSite extends Omit<Partial<SiteOptions>, 'gate' | 'internal'> {
  /** A second server in front of it, on `$front`, which the doctor attacks instead. */
  readonly front?: string;
  /** Replaces the public location. */
  readonly gate?: string;
  /** The content of the internal location; `inner` replaces the whole location. */
  readonly within?: string;
  readonly inner?: string;
  readonly canary?: string | Buffer | null;
  /** nginx's upstream is the API. */
  readonly asksApi?: true;
}

/** A balancer that says whose request it is, and the nginx behind it that believes it. */
export const FRONT = `
  proxy_set_header Host files.example; proxy_set_header X-Forwarded-For $remote_addr;
  location / { proxy_pass http://127.0.0.1:$port; }`;
export const BEHIND = 'set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;';

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

export type Doctored = Awaited<ReturnType<typeof siteToAttack>>;

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
) {
  const { mode = 'auth_request', front, http = '' } = options;
  const { within = 'include postern/internal.conf; alias $files/;' } = options;
  const { inner = `location ^~ /protected/ { ${within} }` } = options;
  const { canary = randomBytes(1_500).toString('base64') } = options;
  let answerApi: RequestListener = () => {};
  const site = await startSite({
    ...options,
    mode,
    files: { ...(canary !== null && { [FILE]: canary }), '../static/empty': '', ...options.files },
    ...(asksApi && { gate: (...both) => answerApi(...both) }),
    http: front === undefined ? http : `${http}\nserver { listen 127.0.0.1:$front; ${front} }`,
    only: options.only ?? `${gate ?? `location ^~ /download/ { ${gateSnippet(mode)} }`}\n${inner}`,
  });
  answerApi = apiListener(site.postern.api);
  const api = await listening(answerApi);
  onFinished(async () => void (await Promise.all([site.stop(), api.stop()])));
  const { nginx, files } = site;
  const url = `http://127.0.0.1:${front === undefined ? nginx.port : nginx.ports[1]}/`;
  const address = `http://127.0.0.1:${api.port}`;
  const env = { POSTERN_API: address, POSTERN_API_KEY: KEY };
  const run = (...words: readonly string[]) =>
    doctor([url, '--internal', '/protected/', '--files', files, ...words], env);
  return {
    ...site,
    url,
    api: address,
    asked: countAsked(site),
    /** The doctor itself, as a person runs it. */
    run,
    /** The report of the doctor, with `--json`. */
    examine: async (...words: readonly string[]) => examined(await run('--json', ...words)),
    /** The same, without options. */
    examineAlone: async () => examined(await doctor([url, '--json'], env)),
  };
}

/** The report, with the verdict of each check, by its id, and what was seen. */
function examined(ended: Ended) {
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
