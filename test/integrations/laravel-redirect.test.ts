import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { findLaravelApp, laravel } from '../../dev/examples/laravel.ts';
import { projectRoot } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { tryRun } from '../harness/run.ts';
import { describeExample, useExample, userOf } from '../support/example.ts';
import { decoded, hostilePaths, NO_NAMES } from '../support/redirect.ts';

interface Sent {
  readonly uri: string;
  readonly method?: string;
  readonly user?: string;
  readonly rule?: string;
  readonly options?: object;
  readonly disk?: object;
  readonly debug?: boolean;
}

interface Answered {
  readonly status: number;
  readonly location: string | null;
  readonly cache: string;
  readonly referrer: string;
  readonly retry: string | null;
  readonly allow: string | null;
  readonly body: string;
  readonly seen: readonly string[];
  readonly logs: readonly string[];
}

describeExample('laravel').each(['signed', 'issued'] as const)('Laravel redirect: %s', (tokens) => {
  const site = useExample(laravel(tokens));

  async function php<T>(program: string, calls: readonly object[], more = {}): Promise<T[]> {
    const env = { POSTERN_API: site.api, POSTERN_API_KEY: site.key, ...more };
    const tool = await findLaravelApp({ folder: site.folder, tokens, env });
    const file = join(projectRoot, 'test/integrations/laravel', program);
    const args = [file, join(site.folder, 'app'), JSON.stringify(calls)];
    const { output } = await tryRun(tool.path, args, tool.env);
    if (!output.startsWith('[')) throw new Error(output);
    return JSON.parse(output);
  }

  /** The responses. Each has the headers, and only a redirect to a file has a token. */
  async function answers(requests: readonly Sent[], env = {}): Promise<Answered[]> {
    const all = await php<Answered>('redirect.php', requests, env);
    for (const [at, one] of all.entries()) {
      expect(one, requests[at]?.uri).toMatchObject({
        cache: expect.stringMatching(/^no-store\b/),
        referrer: 'no-referrer',
      });
      expect(one.location?.includes('token=') ?? false).toBe(one.status === 303);
      if (one.status !== 303) expect(one.body).not.toContain('token=');
    }
    return all;
  }

  const statuses = async (requests: readonly Sent[]) =>
    (await answers(requests)).map(({ status }) => status);

  test('a user with permission is redirected to a link, and nginx sends the file', async () => {
    await mkdir(join(site.folder, 'files/ä b'), { recursive: true });
    await writeFile(join(site.folder, 'files/ä b/c?.txt'), 'content');
    const uri = '/files/%C3%A4%20b/c%3F.txt';
    const options = { download: true, filename: 'Ü.txt', max_uses: 1, bind: 'cookie' };
    const [get, head, long, empty] = await answers([
      { uri, user: 'ada', rule: 'user', options },
      { uri, user: 'ada', method: 'HEAD' },
      { uri, options: { filename: `a/b\n${'😀'.repeat(125)}` } },
      { uri, options: { filename: '' } },
    ]);
    expect([get?.status, head?.status, get?.seen]).toEqual([303, 303, ['ä b/c?.txt']]);
    const file = await fetch(new URL(get?.location ?? '', site.origin));
    expect(await file.text()).toBe('content');
    expect(file.headers.get('content-disposition')).toMatch(/^attachment; .*%C3%9C\.txt/);
    const again = await fetch(new URL(get?.location ?? '', site.origin));
    expect(again.status).toBe(401);
    const saved = async (one?: Answered) =>
      (await fetch(new URL(one?.location ?? '', site.origin))).headers.get('content-disposition');
    const name = encodeURIComponent(`-${'😀'.repeat(125)}`);
    expect(await saved(long)).toMatch(`attachment; `);
    expect(await saved(long)).toContain(name);
    expect(await saved(empty)).toBe('attachment; filename="file"');
    if (tokens === 'signed') {
      const token = get?.location?.split('token=')[1] ?? '';
      expect(decodeJwt(token)).toMatchObject({ sub: 'ada', path: '/download/ä b/c?.txt' });
    }
  });

  test('without permission: 404, or the login page if nobody is logged in', async () => {
    const denied = ['no', 'abort', 'gate', 'model'];
    const uri = '/files/a/b.txt';
    const users = denied.map((rule) => ({ uri, user: 'eve', rule }));
    expect(await statuses(users)).toEqual([404, 404, 404, 404]);
    const guests = await answers([...denied, 'user'].map((rule) => ({ uri, rule })));
    const login = 'http://shop.example/login';
    expect(guests.map(({ location }) => location)).toEqual(Array(5).fill(login));
    const own = { login: '/sign-in' };
    const [moved] = await answers([{ uri, rule: 'no', options: own }]);
    expect(moved?.location).toMatch(/^(http:\/\/shop\.example)?\/sign-in$/);
    expect(await statuses([{ uri, rule: 'yes' }])).toEqual([303]);
  });

  test('a rule that raises or returns something odd opens nothing', async () => {
    const rules = ['null', '1', 'text', 'object', 'closure', 'raises'];
    const all = await answers(
      rules.map((rule) => ({ uri: '/files/a', user: 'ada', rule, debug: true })),
    );
    expect(all.map(({ status }) => status)).toEqual(rules.map(() => 500));
    expect(all[1]?.logs.join()).toContain('mayRead: expected true or false, got int');
  });

  test('a name that the link would not have gets 404, and no rule sees it', async () => {
    // Without a name, the route does not match.
    const names = NO_NAMES.slice(1);
    const all = await answers(names.map((name) => ({ uri: `/files/${name}`, user: 'ada' })));
    for (const [at, one] of all.entries()) {
      expect([one.status, one.seen], names[at]).toEqual([404, []]);
    }
  });

  test('a hostile path opens no other file than the rule has seen', async () => {
    const paths = hostilePaths();
    const all = await php<Answered>(
      'redirect.php',
      paths.map((path) => ({ uri: `/files/${path}`, user: 'ada' })),
    );
    for (const [at, { status, location, seen }] of all.entries()) {
      expect([303, 404], paths[at]).toContain(status);
      if (status !== 303) continue;
      expect(seen.map((name) => `/download/${name}`)).toEqual([
        decodeURIComponent(location?.split('?token=')[0] ?? ''),
      ]);
      expect(seen[0]).toBe(decoded(paths[at] ?? ''));
    }
    expect(all.filter(({ status }) => status === 303).length).toBeGreaterThan(5);
  });

  test('other methods open nothing: Laravel answers', async () => {
    const methods = ['OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'];
    const requests = methods.map((method) => ({ uri: '/files/a', method }));
    const all = await php<Answered>('redirect.php', requests);
    expect(all.map(({ status }) => status)).toEqual([200, 405, 405, 405, 405]);
    for (const one of all) expect(one).toMatchObject({ location: null, seen: [] });
  });

  test('the option permanent: url() is the address of the route, and a scoped disk keeps its prefix', async () => {
    const disk = { permanent: 'https://shop.example/files/' };
    const url = (path: string, more: object) => ({
      method: 'url',
      arguments: [path],
      config: more,
    });
    const env = { POSTERN_API: 'http://127.0.0.1:1', POSTERN_KEY_FILE: '/nonexistent' };
    const urls = await php<{ url: string; error?: string }>(
      'urls.php',
      [
        url('ä b//c?.txt', disk),
        url('a', { permanent: '/files/', prefix: 'users/ada' }),
        url('../a', disk),
        ...['/files', 'files/', '//evil.example/', 'javascript:/a/'].map((permanent) =>
          url('a', { permanent }),
        ),
      ],
      env,
    );
    const wrong = expect.stringContaining('permanent: expected');
    expect(urls.map(({ url, error }) => url ?? error)).toEqual([
      'https://shop.example/files/%C3%A4%20b/c%3F.txt',
      '/files/users/ada/a',
      'https://shop.example/files/',
      ...Array(4).fill(wrong),
    ]);
    const scoped = { prefix: 'users/ada' };
    const [inside, outside] = await answers([
      { uri: '/files/users/ada/a', disk: scoped },
      { uri: '/files/users/eve/a', disk: scoped },
    ]);
    expect(inside?.status, inside?.body).toBe(303);
    expect(inside?.location).toMatch(/^\/download\/users\/ada\/a\?token=/);
    expect([outside?.status, outside?.seen]).toEqual([404, []]);
  });

  test.runIf(tokens === 'issued')('without Postern the answer is 503', async () => {
    const [port = 0] = await freePorts(1);
    const down = { POSTERN_API: `http://127.0.0.1:${port}` };
    const request = { uri: '/files/a', user: 'ada', debug: true };
    const all = [
      ...(await answers([request, { ...request, disk: { closed_if_down: true } }], down)),
      ...(await answers([request], { POSTERN_API_KEY: 'a-wrong-key' })),
      ...(await answers([request], { POSTERN_API: site.origin })),
    ];
    for (const one of all) {
      expect(one).toMatchObject({ status: 503, retry: '5' });
      expect(one.logs).toEqual([expect.stringContaining('Postern issued no token: ')]);
      expect(JSON.stringify(one)).not.toContain(site.key);
    }
  });

  test.runIf(tokens === 'issued')(
    'Postern rejects the path: 404, and the log says why',
    async () => {
      const mount = { mount: '/none/' };
      const [one] = await answers([{ uri: '/files/a', user: 'ada', disk: mount }]);
      const hint = expect.stringContaining('must be under the prefix of a mount');
      expect(one).toMatchObject({ status: 404, logs: [hint] });
    },
  );

  test.runIf(tokens === 'issued')(
    'closed_if_down: a page has closed links, and waits once',
    async () => {
      const [port = 0] = await freePorts(1);
      const config = { closed_if_down: true };
      const path = (name: string) => ({ path: Buffer.from(name).toString('base64') });
      const down = { POSTERN_API: `http://127.0.0.1:${port}` };
      const links = await php<{ url?: string; asked: number; logged: number }>(
        'urls.php',
        [{ ...path('a b'), config }, path('c'), path('d')],
        down,
      );
      expect(links.map(({ url }) => url)).toEqual([
        '/download/a%20b',
        '/download/c',
        '/download/d',
      ]);
      expect(links.map(({ logged }) => logged)).toEqual([1, 0, 0]);
      const [raised] = await php<{ error?: string }>('urls.php', [path('a')], down);
      expect(raised?.error).toContain(`${port}`);
      const rejected = { mount: '/none/', closed_if_down: true };
      const [closed] = await php<{ url?: string }>('urls.php', [
        { ...path('a'), config: rejected },
      ]);
      expect(closed?.url).toBe('/none/a');
    },
  );

  test('the example: another user gets 404', async () => {
    const [ada, ben] = [userOf(site, 'ada'), userOf(site, 'ben')];
    await ada.upload('mine.txt', 'of ada');
    const mine = await ada.ask('/files/ada/mine.txt');
    const link = new URL(mine.headers.get('location') ?? '', site.origin);
    expect(await (await fetch(link)).text()).toBe('of ada');
    expect((await ben.ask('/files/ada/mine.txt')).status).toBe(404);
  });
});
