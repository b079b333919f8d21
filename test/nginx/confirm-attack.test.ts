import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { requestBytes, sendRaw } from '../support/raw.ts';
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
  const from = (address: string, bytes: Buffer) => sendRaw(site.nginx.port, bytes, 'GET', address);

  test('only a POST takes a use, whatever else a request says', async () => {
    const { url, id } = await issue();
    const targets = [url, `${url}&_method=POST`, url.replace('film', '%66ilm')];
    for (const method of METHODS) {
      for (const target of targets) {
        const body = method === 'HEAD' ? '' : 'a=1';
        const headers = { ...OVERRIDES, 'Content-Length': String(body.length) };
        const answer = await site.ask(method, target, headers, body);
        expect(answer.status, `${method} ${target}`).toBeGreaterThanOrEqual(400);
        expect(answer.text).not.toContain(SECRET);
      }
    }
    for (const own of ['/.postern/POST', '/.postern/OPTIONS', '/confirm', '/.postern/POST/']) {
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
    const without = text.replace(/if \(\$postern_seen ~ .*\n/, '');
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
