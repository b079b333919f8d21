import { chmod, cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot, temporaryFolder } from './paths.ts';

export interface ConfigContext {
  /** The first of `ports`. */
  port: number;
  /** Free ports of 127.0.0.1. */
  ports: number[];
  /** The prefix of nginx for relative paths; a temporary folder. */
  dir: string;
}

/**
 * The content of `http { … }`, or a whole nginx.conf (recognized by its `http {` line).
 * `include postern/…;` finds the snippets of the project.
 */
export type Config = (context: ConfigContext) => string;

/** A folder in which nginx runs without using a path that is compiled in. */
export async function nginxFolder(): Promise<string> {
  const dir = await temporaryFolder();
  await cp(join(projectRoot, 'nginx', 'snippets'), join(dir, 'postern'), { recursive: true });
  await cp(join(projectRoot, 'nginx', 'local.conf'), join(dir, 'postern', 'local.conf'));
  await writeFile(join(dir, 'mime.types'), MIME_TYPES);
  await writeFile(join(dir, 'error.log'), '');
  await chmod(dir, 0o755); // for a whole nginx.conf that names a `user`
  return dir;
}

/** Adds only missing directives: nginx rejects most directives if they are repeated. */
export function completeConfig(text: string, dir: string, workers = 1): string {
  const http = /^[ \t]*http\s*\{/m;
  const whole = http.test(text)
    ? text
    : `events { worker_connections 4096; }\nhttp {\n${text}\n}\n`;
  const says = (name: string) => new RegExp(`^[ \\t]*${name}\\s`, 'm').test(whole);
  const main = [
    'daemon off;',
    'pcre_jit on;', // the default is off: the doctor advises it
    'master_process on;', // even for one worker, or there is no reload
    `worker_processes ${workers};`,
    'worker_rlimit_nofile 16384;', // at least three for each of the connections below
    `pid ${dir}/nginx.pid;`,
    // As root, nginx would start its workers as a user that cannot read the files and sockets of a test.
    ...(process.getuid?.() === 0 ? ['user root;'] : []),
  ];
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const inHttp = [
    ...temporary.map((name) => `${name}_temp_path ${dir}/temp-${name};`),
    ...(text.includes('mime.types') ? [] : ['include mime.types;']),
  ];
  const unsaid = (line: string) => !says(line.split(' ')[0] ?? '') || line.startsWith('include');
  // A log directive may be repeated. reload() and the tests read these logs.
  const head = [`error_log ${dir}/error.log info;`, ...main.filter(unsaid)];
  const inner = [`access_log ${dir}/access.log;`, ...inHttp.filter(unsaid)];
  return `${head.join('\n')}\n${whole.replace(http, (open) => `${open}\n${inner.join('\n')}\n`)}`;
}

/** Without `-e` nginx opens the log that is compiled in before it reads the file. */
export function nginxArgs(dir: string): string[] {
  return ['-e', join(dir, 'error.log'), '-p', dir, '-c', join(dir, 'nginx.conf')];
}

/**
 * The same types on every machine: the lists in packages of nginx differ. Written as mime.types next
 * to the configuration, so that `include mime.types;` finds it too.
 */
const MIME_TYPES = `types {
    text/html                      html htm;
    text/css                       css;
    text/plain                     txt log;
    text/csv                       csv;
    text/vtt                       vtt;
    text/xml                       xml;
    text/javascript                js mjs;
    application/json               json;
    application/pdf                pdf;
    application/wasm               wasm;
    application/zip                zip;
    application/gzip               gz tgz;
    application/dash+xml           mpd;
    application/vnd.apple.mpegurl  m3u8;
    application/octet-stream       bin iso img deb dmg;
    image/png                      png;
    image/jpeg                     jpg jpeg;
    image/gif                      gif;
    image/webp                     webp;
    image/avif                     avif;
    image/svg+xml                  svg;
    image/x-icon                   ico;
    font/woff2                     woff2;
    audio/mpeg                     mp3;
    audio/ogg                      ogg;
    audio/mp4                      m4a;
    video/mp4                      mp4 m4s;
    video/mp2t                     ts;
    video/webm                     webm;
    video/x-flv                    flv;
}
`;
