import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { artisan, findLaravelApp, laravel } from '../../dev/examples/laravel.ts';
import { projectRoot } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { tryRun } from '../harness/run.ts';
import {
  describeExample,
  expectIssuer,
  NAMES,
  type Revoked,
  TITLE_IN_HEADER,
  testEqualLinks,
  testLinks,
  useExample,
  userOf,
  type Wanted,
  withRsaKey,
} from '../support/example.ts';
import { forTest } from '../support/for-test.ts';
import { listening } from '../support/postern.ts';

interface Call {
  readonly disk?: string;
  readonly path: string | Buffer;
  readonly seconds?: number;
  readonly options?: object;
  /** Changes the disk. */
  readonly config?: object;
}

describeExample('laravel').each(['signed', 'issued'] as const)('Laravel: %s', (tokens) => {
  const site = useExample(withRsaKey(laravel(tokens)));
  const statusOf = async (link: string) => (await fetch(link)).status;

  /** Calls methods of disks in the application. */
  async function php<T = string>(calls: readonly object[], more = {}) {
    const env = { POSTERN_API: site.api, POSTERN_API_KEY: site.key, ...more };
    const tool = await findLaravelApp({ folder: site.folder, tokens, env });
    const file = join(projectRoot, 'test/integrations/laravel/urls.php');
    const args = [file, join(site.folder, 'app'), JSON.stringify(calls)];
    const { output } = await tryRun(tool.path, args, tool.env);
    if (!output.startsWith('[')) throw new Error(output);
    return JSON.parse(output) as Array<{ url?: T; error?: string; showsKey?: boolean }>;
  }

  const revokeSubject = (subject: string, env = {}) =>
    php<Revoked>([{ method: 'revokeSubject', arguments: [subject] }], env).then(
      ([result]) => result?.url ?? Promise.reject(new Error(result?.error)),
    );

  /** The links, or the messages of the exceptions. */
  async function linksOf(...calls: readonly Call[]): Promise<string[]> {
    const encoded = calls.map(({ path, ...call }) => ({
      ...call,
      path: Buffer.from(path).toString('base64'),
    }));
    const results = await php(encoded);
    return results.map(({ url, error }) => (url ? new URL(url, site.origin).href : (error ?? '')));
  }

  async function store(name: string, content: string): Promise<void> {
    const file = join(site.folder, 'files', name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }

  test.each(NAMES)('nginx sends the uploaded file %s under its name', async (name) => {
    const ada = userOf(site, 'ada');
    const response = await fetch(await ada.link(await ada.upload(name, `content of ${name}`)));
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(`content of ${name}`);
    const disposition = response.headers.get('content-disposition') ?? '';
    if (name.startsWith('Ü')) expect(disposition).toContain(TITLE_IN_HEADER);
    expect(disposition).toMatch(/^attachment; filename/);
    const type = name.endsWith('.pdf') ? 'application/pdf' : 'text/plain';
    expect(response.headers.get('content-type')).toBe(type);
  });

  test('a link ends at its expiration', async () => {
    await store('short.txt', 'short');
    const [short = '', long = ''] = await linksOf(
      // With one second, nothing might be left: PHP reads the clock twice.
      { path: 'short.txt', seconds: 2 },
      { path: 'short.txt' },
    );
    await expect.poll(() => statusOf(short)).toBe(401);
    expect(await statusOf(long)).toBe(200);
  });

  testLinks(site, tokens, revokeSubject, { path: '/download/eve/eve.txt' });

  if (tokens === 'signed') testEqualLinks(equalLinks, revokeSubject);

  async function equalLinks(cacheFor: number, wanted: readonly Wanted[], key = 'rsa.pem') {
    await store('equal.txt', 'equal');
    const calls = wanted.map(({ now, ...options }) => ({
      now,
      path: Buffer.from('equal.txt').toString('base64'),
      options: { cache_for: cacheFor, ...options },
    }));
    const results = await php(calls, { POSTERN_KEY_FILE: join(site.folder, key) });
    return results.map(({ url, error }) => (url ? new URL(url, site.origin).href : (error ?? '')));
  }

  test.runIf(tokens === 'signed')('cache_for needs an RSA key', async () => {
    const [error] = await equalLinks(600, [{ now: 1_800_000_000 }], 'app/storage/postern.key');
    expect(error).toMatch(/^cache_for: expected an RSA key/);
  });

  test('the API key goes to no proxy of the environment', async () => {
    let requests = 0;
    const proxy = await forTest(
      listening((_, response) => {
        requests += 1;
        response.writeHead(502).end();
      }),
    );
    const address = `http://127.0.0.1:${proxy.port}`;
    const env = {
      HTTP_PROXY: address,
      http_proxy: address,
      ALL_PROXY: address,
      all_proxy: address,
    };
    expect(await revokeSubject('nobody', env)).toMatchObject({ revoked: 0 });
    expect(requests).toBe(0);
  });

  test('a name that leaves the disk, or that HTTP cannot carry, is an exception', async () => {
    const names = [
      '../.env',
      'a/../../x',
      '/../x',
      '',
      '.',
      'x ',
      'a\0b',
      'a\nb',
      'x'.repeat(2048),
    ];
    const paths = [...names, Buffer.from('\xff.txt', 'latin1')];
    const ofAnotherDisk = { path: 'download/x', config: { mount: '/' } };
    for (const error of await linksOf(...paths.map((path) => ({ path })), ofAnotherDisk)) {
      expect(error).toMatch(/^(Path traversal|Corrupted path|A URL for)/);
    }
  });

  test('a link names the file that the disk reads', async () => {
    await store('folder/b.txt', 'b');
    const links = await linksOf({ path: 'folder//./c/../b.txt' }, { path: '\\folder\\b.txt' });
    const contents = links.map(async (link) => (await fetch(link)).text());
    expect(await Promise.all(contents)).toEqual(['b', 'b']);
  });

  test.each(['scoped', 'tenant'])('the scoped disk %s reaches only its prefix', async (disk) => {
    await store('secret.txt', 'of the root');
    const call = (method: string, ...args: string[]) => ({ disk, method, arguments: args });
    const name = `${disk}.txt`;
    const [link, outside, ...results] = await php<unknown>([
      { disk, path: Buffer.from(name).toString('base64') },
      { disk, path: Buffer.from('../eve/a.txt').toString('base64') },
      call('put', name, disk),
      call('get', name),
      call('exists', 'secret.txt'),
      call('allFiles'),
      call('url', name),
    ]);
    const path = `/download/users/ada/${name}`;
    expect(results.map(({ url }) => url)).toEqual([true, disk, false, expect.anything(), path]);
    expect(results[3]?.url).not.toContain('secret.txt');
    expect(await readFile(join(site.folder, 'files/users/ada', name), 'utf8')).toBe(disk);
    const { pathname, href } = new URL(`${link?.url}`, site.origin);
    expect([pathname, await (await fetch(href)).text()]).toEqual([path, disk]);
    expect(outside?.error).toMatch(/^Path traversal/);
  });

  test('options: an unknown one and a time in the past are exceptions', async () => {
    const errors = await linksOf(
      { path: 'a.txt', options: { ResponseContentDisposition: 'inline' } },
      { path: 'a.txt', seconds: -1 },
      { path: 'a.txt', config: { 'closed-if-down': true } },
    );
    expect(errors).toEqual([
      expect.stringContaining('Postern: unknown option [ResponseContentDisposition]'),
      expect.stringContaining('expiration: expected a time in the future'),
      expect.stringContaining('Postern: unknown key of the disk [closed-if-down]'),
    ]);
  });

  test('options: Postern accepts and applies each of them', async () => {
    await store('all.txt', 'all');
    const options = {
      filename: '😀'.repeat(127),
      disposition: 'inline',
      subject: 'user-42',
      max_uses: 1,
      resume_for: 60,
      bind: 'cookie',
      confirm: false,
      limit_rate: 1_000_000,
    };
    const [once = '', elsewhere = ''] = await linksOf(
      { path: 'all.txt', options: { ...options, ip: ['127.0.0.0/8'] } },
      { path: 'all.txt', options: { ip: ['192.0.2.1'] } },
    );
    const response = await fetch(once);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-disposition')).toMatch(/^inline; filename/);
    expect(await statusOf(once)).toBe(401);
    expect(await statusOf(elsewhere)).toBe(403);
  });

  test.runIf(tokens === 'signed')('a missing or wrong key is reported with its file', async () => {
    const folder = join(site.folder, 'app', 'storage');
    const env = { POSTERN_KEY_FILE: join(folder, 'none.pem') };
    const options = { folder: site.folder, tokens, env };
    await expect(artisan(options, 'postern:issuer')).rejects.toThrow(
      /key_file: expected a private P-256 or RSA key in PEM at \[.*none\.pem\]/,
    );
  });

  test.runIf(tokens === 'signed')('postern:issuer prints the entry for postern.yaml', async () => {
    const printed = await artisan({ folder: site.folder, tokens }, 'postern:issuer');
    await expectIssuer(printed, site, 'laravel');
  });

  test('url() is the address without a token, which opens nothing, for any name', async () => {
    await store('a b.txt', 'a');
    const names = ['a b.txt', './a b.txt', '', 'a ', '../.env', 'a\nb'];
    const urls = await php(names.map((name) => ({ method: 'url', arguments: [name] })));
    const addresses = urls.map(({ url }) => new URL(url ?? '', site.origin));
    expect(addresses.slice(0, 2).map(({ pathname }) => pathname)).toEqual(
      Array(2).fill('/download/a%20b.txt'),
    );
    for (const { href, pathname } of addresses) {
      expect(pathname).toMatch(/^\/download\//);
      expect([400, 401, 403]).toContain(await statusOf(href));
    }
  });

  test('a disk with another disk keeps the files there', async () => {
    const [written, link] = await php([
      { disk: 'other', method: 'put', arguments: ['other.txt', 'written through the other disk'] },
      { disk: 'other', path: Buffer.from('other.txt').toString('base64') },
    ]);
    expect(written?.url).toBe(true);
    const response = await fetch(new URL(link?.url ?? '', site.origin));
    expect(await response.text()).toBe('written through the other disk');
    const [locked] = await php([{ disk: 'locked', method: 'put', arguments: ['locked.txt', '1'] }]);
    // `read-only` is a key of the disk that holds the files.
    expect(locked?.error).toContain(
      'Postern: unknown key of the disk [read-only]. Known: driver, ',
    );
  });

  test('no exception shows the API key, or a wrong one', async () => {
    const call = { method: 'revokeSubject', arguments: ['nobody'] };
    const [lines] = await php([call], { POSTERN_API_KEY: 'first-secret\nsecond-secret' });
    expect(lines).toEqual({ error: expect.stringContaining('postern.api_key'), showsKey: false });
    expect(lines?.error).not.toContain('secret');
    const [none] = await php([call], { POSTERN_API_KEY: '' });
    expect(none?.error).toContain('postern.api_key');
    const [port = 0] = await freePorts(1);
    const [down] = await php([call], { POSTERN_API: `http://127.0.0.1:${port}` });
    expect(down).toEqual({ error: expect.stringContaining(`${port}`), showsKey: false });
    const [wrong] = await php([call], { POSTERN_API_KEY: 'x'.repeat(20) });
    expect(wrong).toEqual({ error: expect.stringContaining('401'), showsKey: false });
  });
});
