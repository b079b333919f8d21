import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { NginxOptions } from '../../../cli/nginx/plan.ts';
import { startNginx } from '../../harness/nginx.ts';
import { freePorts } from '../../harness/ports.ts';
import { startService } from '../../harness/service.ts';
import { passes, placed, printed } from '../../support/cli/machine.ts';
import { postern } from '../../support/cli/postern.ts';
import { writeFiles } from '../../support/files.ts';
import { folderForTest, forTest } from '../../support/for-test.ts';
import { DAY, type Download, download } from '../../support/nginx/slices.ts';
import { KEY, listening, mount } from '../../support/postern.ts';

/** One of the origins that are allowed below. */
const LOOKALIKES = [
  'https://app.example.evil',
  'https://app_example',
  'http://app.example',
  `https://${'long-name.'.repeat(5)}long-name-example`,
  `https://${'long-name.'.repeat(6)}example.evil`,
];

/** Signs that mean something to nginx, to a regular expression, or in a URL. */
const UNUSUAL = `/d "é" 日;{$uri}'#~*?%41.(x)|[y]/`;
const UNUSUAL_INTERNAL = `/i '"; return 200; # $args\u2028/`;

type Site = Awaited<ReturnType<typeof start>>;

/** The service, nginx as `postern nginx` sets it up, and files below `$files`: all from the command line. */
async function start(
  words: readonly string[],
  settings: Readonly<Record<string, string>> = {},
  download_time?: number,
) {
  const folder = await folderForTest();
  const yaml = {
    mounts: [
      { public: '/download/', internal: '/protected/' },
      { public: UNUSUAL, internal: UNUSUAL_INTERNAL },
      { public: '/store/', internal: '/s3/' },
    ].map((one) => ({ ...one, download_time })),
  };
  // JSON is YAML.
  await writeFiles(folder, {
    'postern.yaml': JSON.stringify(yaml),
    ...Object.fromEntries(
      ['a', 'unusual', 'stored'].map((name) => [`the files/${name}/file.txt`, name]),
    ),
    'the files/a/large.bin': Buffer.alloc(300_000),
  });
  const env = {
    POSTERN_CONFIG: join(folder, 'postern.yaml'),
    POSTERN_API_KEYS: `test:${KEY}`,
    ...settings,
  };
  const service = await forTest(startService({ env }));
  const files = join(folder, 'the files');
  const own = { ...env, POSTERN_LISTEN: `127.0.0.1:${service.gatePort}` };
  const places = [`/protected/=${files}/a`, `${UNUSUAL_INTERNAL}=${files}/unusual`];
  if (!words.includes('--proxy-target')) places.push(`/s3/=${files}/stored`);
  const all = [
    'nginx',
    '--json',
    '--server',
    ...places.flatMap((place) => ['--files', place]),
    ...words,
  ];
  const made = await postern(all, folder, { env: own });
  expect(made).toMatchObject({ code: 0 });
  const texts = Object.entries<string>(JSON.parse(made.stdout).files);
  const nginx = await forTest(startNginx({ config: (context) => placed(texts, context) }));
  const client = { POSTERN_API: `http://127.0.0.1:${service.apiPort}`, POSTERN_API_KEY: KEY };
  return {
    nginx,
    stopService: service.stop,
    async issue(...more: string[]): Promise<string> {
      const issued = await postern(['token', 'issue', ...more], folder, { env: client });
      // A name can contain a "?", so it is not an error.
      const note = expect.stringMatching(/^postern: note: Paths are not URL-encoded: .*\n$/);
      expect(issued).toMatchObject({ code: 0, stderr: more.join().includes('?') ? note : '' });
      return issued.stdout.trim();
    },
    files,
    async revoke(subject: string): Promise<void> {
      const done = await postern(['token', 'revoke', '--subject', subject], folder, {
        env: client,
      });
      expect(done).toMatchObject({ code: 0 });
    },
    ask: (path: string, headers: Record<string, string> = {}) =>
      fetch(nginx.url(path), { redirect: 'manual', headers }),
  };
}

const encoded = (path: string) => path.split('/').map(encodeURIComponent).join('/');

async function text(response: Promise<Response>): Promise<string> {
  return (await response).text();
}

async function status(response: Promise<Response>): Promise<number> {
  const { status: code, body } = await response;
  await body?.cancel();
  return code;
}

/** A token opens its own file, and nothing else opens anything. */
async function holds(site: Site): Promise<void> {
  const url = await site.issue('--path', '/download/file.txt');
  const folder = await site.issue('--prefix', UNUSUAL);
  expect(await text(site.ask(url))).toBe('a');
  expect(await text(site.ask(`${folder}file.txt`))).toBe('unusual');
  expect(await text(site.ask(await site.issue('--path', '/store/file.txt')))).toBe('stored');

  const token = url.slice(url.indexOf('?'));
  expect(await status(site.ask('/download/file.txt'))).toBe(401);
  expect(await status(site.ask(`${encoded(UNUSUAL)}file.txt`))).toBe(401);
  expect(await status(site.ask('/store/file.txt'))).toBe(401);
  expect(await status(site.ask(`/download/large.bin${token}`))).toBe(403);
  for (const internal of ['/protected/', encoded(UNUSUAL_INTERNAL), '/s3/']) {
    expect(await status(site.ask(`${internal}file.txt`))).toBe(404);
    expect(await status(site.ask(`${internal}file.txt${token}`))).toBe(404);
  }
}

describe('nginx: real nginx serves the generated site', () => {
  test('with --slices', async () => {
    const sockets = await folderForTest();
    const site = await start(['--slices', sockets, '--server-name', 'files.example'], {}, DAY);
    await holds(site);
    // Three slices of the snippet. A revocation ends the download before its third.
    const size = 24 * 1_048_576;
    await writeFiles(site.files, { 'a/slices.bin': Buffer.alloc(size) });
    const slow = ['--path', '/download/slices.bin', '--limit-rate', '8000000'];
    const [stays, ends] = [
      await site.issue(...slow),
      await site.issue(...slow, '--subject', 'ada'),
    ];
    const running = [stays, ends].map((url) => download('HTTP/1.1', site.nginx.url(''), url));
    const [whole, cut] = running as [Download, Download];
    await expect.poll(() => cut.received()).toBeGreaterThan(0);
    await site.revoke('ada');
    expect(await cut.end).toBe('error');
    expect(cut.received()).toBeLessThanOrEqual(size * (2 / 3));
    expect([await whole.end, whole.received()]).toEqual(['complete', size]);
    // One line for each download, and no token.
    const log = () => readFile(join(site.nginx.dir, 'site.log'), 'utf8');
    const lines = async () => (await log()).split('/download/slices.bin').length - 1;
    await expect.poll(lines, { message: 'two lines' }).toBeGreaterThanOrEqual(2);
    expect(await lines()).toBe(2);
    for (const url of [stays, ends]) expect(await log()).not.toContain(url.split('token=')[1]);
    expect(await site.nginx.errorLog()).not.toMatch(/\[(warn|emerg|alert|crit)\]/);
  });

  test('with --x-accel', async () => {
    const site = await start(['--x-accel', '--server-name', 'files.example']);
    await holds(site);
    expect(await site.nginx.errorLog()).not.toMatch(/\[(warn|emerg|alert|crit)\]/);
  });

  test('with all options', async () => {
    const store = await forTest(
      listening((request, response) => {
        expect(request.headers.authorization).toBeUndefined();
        response.statusCode = request.url === '/bucket/file.txt' ? 200 : 404;
        response.end('stored');
      }),
    );
    const [dead, gate] = await freePorts(2);
    const words = [
      ...['--cache', '--limit-conn', '2', '--listen', '80', '--disable-symlinks'],
      ...['--cors', 'https://app.example', '--cors', `https://${'long-name.'.repeat(6)}example`],
      ...['--login', 'https://login.example/in', '--server-name', `${'long.'.repeat(30)}example`],
      ...['--proxy-target', `/s3/=http://127.0.0.1:${store.port}/bucket`],
      // The first address does not answer.
      ...['--upstream', `127.0.0.1:${dead}`, '--upstream', `127.0.0.1:${gate}`],
    ];
    const site = await start(words, {
      POSTERN_LISTEN: `127.0.0.1:${gate}`,
      POSTERN_DECISION_TTL: '60',
      POSTERN_PUBLIC_URL: 'https://files.example',
    });
    const here = (url: string) => url.replace('https://files.example', '');
    await holds({ ...site, issue: async (...more) => here(await site.issue(...more)) });

    const url = here(await site.issue('--path', '/download/file.txt'));
    const origin = async (value: string, path: string) => {
      const { headers, body } = await site.ask(path, { origin: value });
      await body?.cancel();
      return headers.get('access-control-allow-origin');
    };
    for (const known of ['https://app.example', `https://${'long-name.'.repeat(6)}example`]) {
      expect(await origin(known, url)).toBe(known);
      expect(await origin(known, '/download/file.txt')).toBe(known);
    }
    for (const other of [...LOOKALIKES, 'null']) {
      expect(await origin(other, url)).toBe(null);
    }

    const page = await site.ask('/download/file.txt?a=b', { accept: 'text/html' });
    expect(page.status).toBe(302);
    expect(page.headers.get('location')).toBe(
      'https://login.example/in?return=https%3A%2F%2Ffiles.example%2Fdownload%2Ffile.txt%3Fa%3Db',
    );

    const slow = here(await site.issue('--path', '/download/large.bin', '--limit-rate', '1000'));
    const under = await Promise.all([site.ask(slow), site.ask(slow)]);
    expect(under.map((response) => response.status)).toEqual([200, 200]);
    expect(await status(site.ask(slow))).toBe(429);
    for (const { body } of under) await body?.cancel();

    const fresh = here(await site.issue('--path', '/download/file.txt'));
    await site.stopService();
    expect(await text(site.ask(url))).toBe('a');
    expect(await status(site.ask(fresh))).toBe(503);
  });
});

const MOUNTS = [
  mount('/download/', '/protected/', { downloadTime: DAY }),
  mount('/media/', '/store/', { downloadTime: DAY }),
  mount('files.example:/own/', '/own-files/', { downloadTime: DAY }),
];

const PLACES = ['/protected/=/srv/files', '/own-files/=/srv/own'];

const CHOICES: Readonly<Record<string, Partial<NginxOptions>>> = {
  'nothing more': {},
  '--cache': { cache: true },
  '--listing, --disable-symlinks': { listing: true, disableSymlinks: true },
  '--cors': { cors: ['https://app.example', 'http://localhost:3000'] },
  '--login': { login: '/login' },
  '--login elsewhere': { login: 'https://login.example/?next=' },
  '--limit-conn': { limitConn: '3' },
  '--upstream': { upstream: ['127.0.0.1:7300'] },
  'several --upstream': { upstream: ['[::1]:7300', 'unix:/run/postern/gate.sock'] },
  '--log off': { log: 'off' },
  '--log': { log: '/dev/null' },
  '--proxy-target': { files: PLACES, proxyTarget: ['/store/=http://127.0.0.1:9000/bucket'] },
  '--listen': { listen: ['127.0.0.1:8080', 'unix:/tmp/site.sock'] },
  '--server-name': { serverName: ['*.files.example,www.example', `${'long.'.repeat(40)}example`] },
  '--x-accel': { xAccel: true },
  // A long name would be too long for the socket.
  '--slices': { slices: true, serverName: ['*.files.example'] },
};

const { '--x-accel': byXAccel, '--slices': bySlices, ...others } = CHOICES;

/** All others: of those that exclude each other, the last one. */
const ALL: Partial<NginxOptions> = Object.assign({}, ...Object.values(others));

describe.each([
  ['only', {}],
  ['all others, and', ALL],
  ['all others by X-Accel, and', { ...ALL, ...byXAccel }],
])('nginx: nginx -t accepts the configuration with %s', (_, others) => {
  test.concurrent.each(Object.entries(CHOICES))('%s', (__, choice) => {
    const { limitConn, ...rest } = { ...others, ...choice };
    const options = {
      ...rest,
      ...(limitConn !== undefined && choice !== bySlices && { limitConn }),
    };
    return passes(printed({ files: [...PLACES, '/store/=/srv/store'], ...options }, MOUNTS));
  });
});
