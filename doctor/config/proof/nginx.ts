import { spawn, spawnSync } from 'node:child_process';
import {
  accessSync,
  chownSync,
  constants,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { tryTo } from '../../../common/errors.ts';

/** A program, and variables of its environment. */
export interface Binary {
  readonly path: string;
  readonly env?: NodeJS.ProcessEnv;
}

const USUAL = [
  '/usr/sbin',
  '/usr/local/sbin',
  '/usr/local/nginx/sbin',
  '/usr/local/openresty/nginx/sbin',
  '/opt/homebrew/bin',
];

/** The nginx that `nginx -V` names, or the first one on PATH. Undefined if this machine has none. */
export function nginxOf(printed: string, env: NodeJS.ProcessEnv): Binary | undefined {
  const [, own] = /^configure arguments:.* --sbin-path=(\S+)/m.exec(printed) ?? [];
  const [, product = 'nginx'] = /^(angie|tengine|openresty)/im.exec(printed) ?? [];
  const folders = [...(env.PATH ?? '').split(delimiter), ...USUAL].filter(Boolean);
  const names = [product.toLowerCase(), 'nginx'].flatMap((name) =>
    folders.map((one) => join(one, name)),
  );
  const path = [own, ...names].find((one) => one !== undefined && isProgram(one));
  return path === undefined ? undefined : { path, env };
}

function isProgram(path: string): boolean {
  return tryTo(() => accessSync(path, constants.X_OK) ?? statSync(path).isFile()) ?? false;
}

/** nobody, under which nginx runs if the doctor is root. */
const NOBODY = 65_534;
const START_MS = 20_000;

export function userOfCopy() {
  return process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
}

/** A folder that only this user, or nobody, can open. A Unix socket in it must have a short name. */
export function createFolder(): string {
  const base = tmpdir().length < 60 ? tmpdir() : '/tmp';
  const folder = realpathSync(mkdtempSync(join(base, 'postern-doctor-')));
  give(folder);
  return folder;
}

/** Files of root would not be readable for nobody. */
export function give(path: string): void {
  const { uid, gid } = userOfCopy();
  if (uid !== undefined) chownSync(path, uid, gid);
}

/**
 * Starts nginx after the first line of its standard input, and waits for the end of that input, which is the end of the
 * doctor, also by SIGKILL. Then it ends nginx, and removes the folder.
 */
const KEEPER =
  'folder=$1; shift; own=; if read go; then "$@" </dev/null & own=$!; exec >/dev/null; cat; fi; test -n "$own" && kill -9 $own; rm -rf "$folder"';

/** Why a configuration cannot run: the message of nginx, and its line. */
export interface Refused {
  readonly reason: string;
  readonly line: number | undefined;
}

export function testConfig({ path, env }: Binary, folder: string): Refused | undefined {
  const options = {
    ...userOfCopy(),
    env: { ...env, PATH: '/usr/bin:/bin' },
    encoding: 'utf8' as const,
    timeout: 20_000,
  };
  const { status, stderr, error } = spawnSync(path, ['-t', ...argumentsOf(folder)], options);
  if (status === 0) return undefined;
  const [, reason = error?.message ?? 'no reason', line] =
    /\[emerg\] (?:\d+#\d+: )?(.*?)(?: in \S+:(\d+))?$/m.exec(stderr ?? '') ?? [];
  return { reason, line: line === undefined ? undefined : Number(line) };
}

function argumentsOf(folder: string): string[] {
  return ['-e', join(folder, 'error.log'), '-p', folder, '-c', join(folder, 'nginx.conf')];
}

/** The shell that starts nginx, and that removes the folder when the doctor ends. */
export function createKeeper({ path, env }: Binary, folder: string) {
  const words = ['-c', KEEPER, 'sh', folder, path, ...argumentsOf(folder)];
  const child = spawn('/bin/sh', words, {
    ...userOfCopy(),
    env: { ...env, PATH: '/usr/bin:/bin' },
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  // nginx alone has the other end of this pipe, so the pipe ends when nginx does.
  let hasEnded = false;
  child.stdout?.on('close', () => {
    hasEnded = true;
  });
  child.stdout?.resume();
  const ended = new Promise<void>((resolve) => {
    child.on('exit', () => resolve());
    child.on('error', () => resolve());
  });
  child.stdin?.on('error', () => {});
  return {
    /** Starts nginx. False if it does not listen on each of the sockets. */
    async start(sockets: readonly string[]): Promise<boolean> {
      child.stdin?.write('go\n');
      const left = [...sockets];
      for (let time = START_MS; time > 0 && !hasEnded; time -= 10) {
        while (left[0] !== undefined && (await isListening(left[0]))) left.shift();
        if (left.length === 0) return true;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return false;
    },
    async stop(): Promise<void> {
      child.stdin?.end();
      await ended;
    },
  };
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
