import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { expect, type TestContext } from 'vitest';
import { temporaryFolder } from '../../harness/paths.ts';
import { type Exit, launch, type Running } from '../../harness/process.ts';
import type { ToolName } from '../../harness/tools.ts';
import { waitFor } from '../../harness/wait.ts';
import { forTest } from '../for-test.ts';
import { needTool } from '../need-tool.ts';
import { KEY } from '../postern.ts';
import type { Site } from '../site.ts';

export interface Ended extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** A real program, not a double. */
export interface Client {
  /** Ends with the test at the latest. */
  start(args: readonly string[]): Promise<Running>;
  /** The same, and waits for its end. */
  run(args: readonly string[]): Promise<Ended>;
}

/** Skips the test if the client is not available. */
export async function client(name: ToolName, context: TestContext): Promise<Client> {
  const tool = await needTool(name, context);

  async function start(args: readonly string[]): Promise<Running> {
    const folder = await temporaryFolder();
    const running = await forTest(
      launch({
        name,
        path: tool.path,
        args: [...args],
        // The client runs without the user's settings: a proxy or a .wgetrc would change it.
        env: {
          PATH: process.env.PATH,
          HOME: folder,
          TMPDIR: folder,
          LC_ALL: 'C.UTF-8',
          ...tool.env,
        },
        cwd: folder,
        folder,
      }),
    );
    return running;
  }

  return {
    start,
    async run(args) {
      const running = await start(args);
      const exit = await running.exited;
      return { ...exit, stdout: running.stdout(), stderr: running.stderr() };
    },
  };
}

export interface Download {
  readonly url: string;
  /** Where it is saved. */
  readonly file: string;
  /** The address of 127.0.0.0/8 that nginx sees; by default 127.0.0.1. */
  readonly from?: string;
  readonly more?: readonly string[];
}

interface CommandLine {
  /** The arguments. They exclude what the user or the system has configured. */
  args(download: Required<Pick<Download, 'url' | 'file' | 'from'>>): readonly string[];
  /** Options to continue an incomplete file. */
  readonly resume: readonly string[];
  /** Options that limit the rate, so that the test can interrupt the download. */
  readonly slow: readonly string[];
  readonly kill: NodeJS.Signals;
}

const commandLines = {
  curl: {
    args: ({ url, file, from }) => [
      ...['--disable', '--silent', '--show-error', '--fail'],
      ...['--interface', from, '--output', file, url],
    ],
    resume: ['--continue-at', '-'],
    slow: ['--limit-rate', '1M'],
    kill: 'SIGKILL',
  },
  wget: {
    args: ({ url, file, from }) => [
      ...['--no-config', '--no-hsts', '--no-verbose', '--tries=1'],
      ...[`--bind-address=${from}`, `--output-document=${file}`, url],
    ],
    resume: ['--continue'],
    slow: ['--limit-rate=1m'],
    kill: 'SIGKILL',
  },
  aria2c: {
    args: ({ url, file, from }) => [
      ...['--no-conf', '--no-netrc', '--quiet', '--max-tries=1'],
      // The file has exactly the received bytes at any time.
      ...['--file-allocation=none', '--disk-cache=0'],
      ...[`--interface=${from}`, `--dir=${dirname(file)}`, `--out=${basename(file)}`, url],
    ],
    resume: ['--continue=true'],
    // At a lower rate, it sleeps for a second at a time and ignores signals.
    slow: ['--max-download-limit=8M'],
    // It saves its state every minute and on SIGINT.
    kill: 'SIGINT',
  },
} as const satisfies Record<string, CommandLine>;

export type DownloaderName = keyof typeof commandLines;
export const downloaders = Object.keys(commandLines) as readonly DownloaderName[];

/** Other systems have one loopback address by default. */
export const hasAddresses = process.platform === 'linux';

/** The exit status and the output of curl if the token is not valid, or not for this client. */
export const refused = { code: 22, stderr: expect.stringContaining('401') };

/** Skips the test if the program is not available. */
export async function downloader(name: DownloaderName, context: TestContext) {
  const program = await client(name, context);
  const { args, resume, slow, kill }: CommandLine = commandLines[name];
  const line = ({ from = '127.0.0.1', more = [], ...rest }: Download) => [
    ...more,
    ...args({ from, ...rest }),
  ];
  return {
    start: (download: Download) => program.start(line(download)),
    download: (download: Download) => program.run(line(download)),
    /** A new process continues the file. */
    resume: (download: Download) => program.run([...resume, ...line(download)]),
    /**
     * Kills it when it has saved this many bytes. The client limits the rate until then, because a
     * `limit_rate` in the token would also slow down the rest.
     */
    async cut(download: Download, bytes: number) {
      const running = await program.start([...slow, ...line(download)]);
      await running.ready(async () => (await sizeOf(download.file)) >= bytes, {
        what: `${name} to have saved ${bytes} bytes`,
      });
      running.signal(kill);
      return running.exited;
    },
  };
}

async function sizeOf(file: string): Promise<number> {
  const { size } = await stat(file).catch(() => ({ size: 0 }));
  return size;
}

/** The API's state of a token whose requesters are distinguished. */
export interface State {
  readonly uses_left: number;
  readonly requesters: ReadonlyArray<{ readonly address: string; readonly began: number }>;
}

export async function stateOf(site: Site, id: string): Promise<State> {
  return (await askOf(site, 'GET', id)).json() as Promise<State>;
}

export async function revoke(site: Site, id: string): Promise<void> {
  await askOf(site, 'DELETE', id);
}

async function askOf({ postern }: Site, method: string, id: string) {
  const headers = { authorization: `Bearer ${KEY}` };
  const response = await postern.api.request(`/tokens/${id}`, { method, headers });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response;
}

/** The state of a single-use token that a client at this address has used. */
export function usedOnceFrom(address: string) {
  return { uses_left: 0, requesters: [{ address }] };
}

/** A line of the log in the snippets' own format. */
export interface LogLine {
  readonly address: string;
  readonly request: string;
  readonly status: number;
  readonly bytes: number;
  /** `OK` if nginx sent everything, else empty. */
  readonly completion: string;
  readonly token_id: string;
  readonly code: string;
}

/** The lines of one token, in the order in which nginx finished the requests. */
export async function linesOf(site: Site, tokenId: string): Promise<LogLine[]> {
  const lines = (await site.log()).split('\n').slice(0, -1);
  const all = lines.map((line): LogLine => JSON.parse(line));
  return all.filter(({ token_id }) => token_id === tokenId);
}

/** nginx writes a line when it has finished a request, which can be after its client has ended. */
export function waitForLines(
  site: Site,
  tokenId: string,
  areAll: (lines: LogLine[]) => boolean,
): Promise<LogLine[]> {
  const found = async () => {
    const lines = await linesOf(site, tokenId);
    return areAll(lines) && lines;
  };
  return waitFor(found, { what: "the requests in nginx's log" });
}
