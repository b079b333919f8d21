import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mimeTypes } from './mime-types.ts';
import { projectRoot, temporaryFolder } from './paths.ts';

export interface ConfigContext {
  /** The first of `ports`. */
  port: number;
  /** Free ports of 127.0.0.1. */
  ports: number[];
  /** nginx's prefix, to which relative paths refer; a temporary folder. */
  dir: string;
}

/**
 * What stands inside `http { … }`, or a whole nginx.conf (known by its `http {` line).
 * `include postern/…;` finds the project's snippets.
 */
export type Config = (context: ConfigContext) => string;

/** A folder in which nginx runs without touching a path that it was compiled with. */
export async function nginxFolder(): Promise<string> {
  const dir = await temporaryFolder();
  await copySnippets(join(dir, 'postern'), dir);
  await writeFile(join(dir, 'mime.types'), mimeTypes);
  await writeFile(join(dir, 'error.log'), '');
  await chmod(dir, 0o755); // for a whole nginx.conf that names a `user`
  return dir;
}

/** As an operator copies them, with a folder of its own for what cache.conf keeps. */
async function copySnippets(to: string, dir: string): Promise<void> {
  const from = join(projectRoot, 'nginx', 'snippets');
  await mkdir(to);
  for (const name of await readdir(from)) {
    const text = await readFile(join(from, name), 'utf8');
    const own = text.replace('proxy_cache_path /run/', `proxy_cache_path ${dir}/`);
    await writeFile(join(to, name), own);
  }
}

/** Adds what the text leaves out, and only that: nginx refuses most directives if repeated. */
export function completeConfig(text: string, dir: string, workers = 1): string {
  const http = /^[ \t]*http\s*\{/m;
  const whole = http.test(text)
    ? text
    : `events { worker_connections 4096; }\nhttp {\n${text}\n}\n`;
  const says = (name: string) => new RegExp(`^[ \\t]*${name}\\s`, 'm').test(whole);
  const main = [
    'daemon off;',
    'master_process on;', // even for one worker, or there is no reload
    `worker_processes ${workers};`,
    'worker_rlimit_nofile 16384;', // at least three for each of the connections below
    `pid ${dir}/nginx.pid;`,
    // Root's workers would become another user, who may not read a test's files and sockets.
    ...(process.getuid?.() === 0 ? ['user root;'] : []),
  ];
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const inHttp = [
    ...temporary.map((name) => `${name}_temp_path ${dir}/temp-${name};`),
    ...(text.includes('mime.types') ? [] : ['include mime.types;']),
  ];
  const unsaid = (line: string) => !says(line.split(' ')[0] ?? '') || line.startsWith('include');
  // Logs may be repeated; ours are what reload() and the tests read.
  const head = [`error_log ${dir}/error.log info;`, ...main.filter(unsaid)];
  const inner = [`access_log ${dir}/access.log;`, ...inHttp.filter(unsaid)];
  return `${head.join('\n')}\n${whole.replace(http, (open) => `${open}\n${inner.join('\n')}\n`)}`;
}

/** `-e` too, or nginx opens the log that it was compiled with before it reads the file. */
export function nginxArgs(dir: string): string[] {
  return ['-e', join(dir, 'error.log'), '-p', dir, '-c', join(dir, 'nginx.conf')];
}
