import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { MAX_PIN_ATTEMPTS } from '../../service/token/pin.ts';
import { startRedis } from '../harness/redis.ts';
import { openRedis } from '../store/open-redis.ts';
import { createPostern, issueToken, listening } from '../support/postern.ts';
import { openRaw, requestBytes } from '../support/raw.ts';
import { modes, siteForTest, useSite } from '../support/site.ts';

const SECRET = 'the film';
const path = '/download/film.mp4';
const METHODS = 'GET HEAD PUT PATCH DELETE OPTIONS PROPFIND TRACE POSTS post'.split(' ');
const OVERRIDES = {
  'X-HTTP-Method-Override': 'POST',
  'X-HTTP-Method': 'POST',
  'X-Method-Override': 'POST',
  'X-Original-Method': 'POST',
  'X-Original-URI': path,
  'Postern-Host': 'files.example',
  'Postern-Resume': 'A'.repeat(22),
  'X-Real-IP': '198.51.100.7',
  'Sec-Fetch-User': '?1',
  'Sec-Fetch-Site': 'same-origin',
};

describe.each(modes)('attacks on confirm by %s', (mode) => {
  const site = useSite({ mode, files: { 'film.mp4': SECRET } });

  const issue = (more: object = {}) => site.issue({ path, confirm: true, max_uses: 2, ...more });
  const from = async (address: string, bytes: Buffer) => {
    const connection = await openRaw(site.nginx.port, address);
    const answer = await connection.send(bytes);
    connection.close();
    return answer;
  };

  test('only a POST takes a use, whatever else a request says', async () => {
    const { url, id } = await issue();
    const targets = [url, `${url}&_method=POST`, url.replace('film', '%66ilm')];
    for (const method of METHODS) {
      for (const target of targets) {
        const connection = await openRaw(site.nginx.port);
        const body = method === 'HEAD' ? '' : 'a=1';
        const headers = { ...OVERRIDES, 'Content-Length': String(body.length) };
        const answer = await connection.send(requestBytes(method, target, headers, body), method);
        connection.close();
        expect(answer.status, `${method} ${target}`).toBeGreaterThanOrEqual(400);
        expect(answer.text).not.toContain(SECRET);
      }
    }
    for (const own of ['/.postern/confirm', '/confirm', '/.postern/confirm/']) {
      const query = url.slice(url.indexOf('?'));
      expect((await site.ask('POST', own + query)).status).toBe(404);
    }
    expect(await site.postern.store.requesters(id)).toEqual([]);
  });

  test('a requester cannot continue the confirmation of another one', async () => {
    const { url } = await issue();
    const other = await issue();
    const mine = await from('127.0.0.2', requestBytes('POST', url));
    expect(mine.status).toBe(303);
    const cookie = /postern_resume=[^;]+/.exec(mine.header('set-cookie') ?? '')?.[0] ?? '';
    const stranger = (method: string, target: string, headers = {}) => {
      return from('127.0.0.3', requestBytes(method, target, headers));
    };
    for (const headers of [{}, { Cookie: 'postern_resume=AAAAAAAAAAAAAAAAAAAAAA' }, OVERRIDES]) {
      const answer = await stranger('GET', url, headers);
      expect([answer.status, JSON.parse(answer.text).code]).toEqual([401, 'confirmation_required']);
    }
    // The cookie of one link confirms no other link, and never by POST.
    expect((await stranger('GET', other.url, { Cookie: cookie })).status).toBe(401);
    expect((await stranger('GET', url, { Cookie: cookie })).text).toBe(SECRET);
  });

  test('access rules of the server block also apply to a POST', async () => {
    const closed = await siteForTest({ mode, server: 'allow 127.0.0.2; deny all;' });
    const { url, id } = await closed.issue({ path, confirm: true });
    expect((await closed.ask('POST', url)).status).toBe(403);
    expect(await closed.postern.store.requesters(id)).toEqual([]);
  });

  test('snippets without the new lines, and a gate that misbehaves, open nothing', async () => {
    const old = await siteForTest({ mode, files: { 'film.mp4': SECRET } });
    const snippet = join(old.nginx.dir, 'postern', 'public.conf');
    const text = await readFile(snippet, 'utf8');
    const without = text.replace(/if \(\$postern_seen ~ "\^POST[\s\S]+?\n\}/, '');
    expect(without).not.toBe(text);
    await writeFile(snippet, without);
    await old.nginx.reload();
    const { url, id } = await old.issue({ path, confirm: true });
    expect((await old.ask('GET', url)).status).toBe(401);
    expect((await old.ask('POST', url)).status).toBe(403);
    expect(await old.postern.store.requesters(id)).toEqual([]);

    const strange = await siteForTest({
      mode,
      files: { 'film.mp4': SECRET },
      gate: (_, response) => {
        const target = '/protected/film.mp4';
        response.writeHead(200, { 'X-Accel-Redirect': target, 'Postern-Target': target }).end();
      },
    });
    expect((await strange.ask('POST', url)).text).not.toContain(SECRET);
  });
});

test('PIN: guessing at two instances at once has the limit of one', async () => {
  const redis = await startRedis();
  onTestFinished(redis.stop);
  const gates = await Promise.all(
    [1, 2].map(async () => {
      const store = await openRedis(redis);
      const postern = createPostern({ store, decisionMs: 60_000 });
      const { port, stop } = await listening(postern.gate);
      onTestFinished(async () => {
        await stop();
        await postern.store.close();
      });
      return { ...postern, port };
    }),
  );
  const [first, second] = gates;
  if (first === undefined || second === undefined) throw new Error('no gates');
  const { url, id } = await issueToken(first.api, { path, confirm: true, pin: '4711' });
  const guess = async (pin: string, i: number) => {
    const answer = await fetch(`http://127.0.0.1:${gates[i % 2]?.port}/confirm`, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'X-Original-URI': url,
        'X-Original-Method': 'POST',
        'Postern-Site': 'files.example',
        'Postern-Host': 'files.example',
        'X-Real-IP': `192.0.2.${i}`,
      },
      body: new URLSearchParams({ pin }),
    });
    return answer.headers.get('postern-reason');
  };
  const reasons: Array<string | null> = [];
  // An instance checks at most four PINs of a token at once.
  for (let i = 0; i < 28; i += 8) {
    const eight = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => guess(`guess${i + n}`, i + n));
    reasons.push(...(await Promise.all(eight)));
  }
  const wrong = reasons.filter((reason) => reason === 'pin_wrong');
  expect(wrong.length).toBeLessThan(MAX_PIN_ATTEMPTS);
  expect(wrong.length).toBeGreaterThan(0);
  expect(reasons.filter((reason) => reason === 'invalid_token')).toHaveLength(
    reasons.length - wrong.length,
  );
  expect(await guess('4711', 29)).toBe('invalid_token');
  expect(await second.store.find(id)).toBeUndefined();
});
