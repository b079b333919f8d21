import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hasHttp2 } from '../support/nginx-version.ts';
import { sendRaw } from '../support/raw.ts';
import { modes, siteForTest, useSite } from '../support/site.ts';

const path = '/download/film.mp4';
/** The redirect of a new requester. */
const marked = (url: string) => `${url}${url.includes('?') ? '&' : '?'}postern_confirmed=1`;

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

describe.each(modes)('confirm by %s', (mode) => {
  const site = useSite({
    mode,
    files: { 'film.mp4': 'the film', 'hls/a.m3u8': 'list', 'hls/b.ts': 'segment' },
    server: `${hasHttp2 ? 'http2 on;' : ''} client_max_body_size 0; client_body_in_file_only on;`,
  });

  const issue = (more: object = {}) => site.issue({ path, confirm: true, max_uses: 1, ...more });
  const usesLeft = async (id: string) => {
    const { total } = await site.postern.store.requesters(id);
    return 1 - total;
  };
  const post = (url: string, init: RequestInit = {}) =>
    site.fetch(url, { method: 'POST', ...init });

  test('a program gets the problem document, confirms by POST, and downloads by GET', async () => {
    const { url, id } = await issue();
    const before = await site.fetch(url);
    expect(before.status).toBe(401);
    expect(await before.json()).toMatchObject({ code: 'confirmation_required' });
    const confirmed = await post(url);
    expect([confirmed.status, await confirmed.text()]).toEqual([303, '']);
    expect(confirmed.headers.get('location')).toBe(marked(url));
    expect(confirmed.headers.get('set-cookie')).toMatch(
      /^postern_resume=[\w-]{22}; Path=\/download\/film.mp4; Max-Age=\d+; HttpOnly; SameSite=Lax$/,
    );
    expect(confirmed.headers.get('cache-control')).toBe('no-store');
    const hidden = [...confirmed.headers.keys()].filter((name) => /postern|x-accel/.test(name));
    expect(hidden).toEqual([]);
    expect(await usesLeft(id)).toBe(0);
    const range = await site.fetch(url, { headers: { Range: 'bytes=4-' } });
    expect([range.status, await range.text()]).toEqual([206, 'film']);
    await expect.poll(site.log).toContain('"code":"confirmed"');
    expect(await site.log()).toContain('"code":"confirmation_required"');
  });

  // decide/confirm.test.ts has every form of these headers.
  test('a POST from another site is denied, and takes no use', async () => {
    const { url, id } = await issue();
    const ask = async (...lines: string[]) => {
      const head = [`POST ${url} HTTP/1.0`, ...lines, 'Content-Length: 0\r\n\r\n'].join('\r\n');
      return [lines, (await sendRaw(site.nginx.port, head)).status];
    };
    const host = 'Host: files.example';
    const own = `files.example:${site.nginx.port}`;
    for (const lines of [
      [host, 'Sec-Fetch-Site: cross-site'],
      [host, 'Origin: https://evil.example'],
      // As with HTTP/3, $http_host is empty: the host and the port that nginx used count.
      ['Origin: null'],
      ['Origin: https://evil.example'],
      ['Origin: https://files.example'],
      ['Origin: https://files.example:443'],
      [`Origin: https://x.${own}`],
    ])
      expect(await ask(...lines)).toEqual([lines, 403]);
    expect(await usesLeft(id)).toBe(1);
    for (const lines of [
      // Behind a load balancer nginx knows neither the scheme nor the port.
      ['Host: Files.example', 'Origin: https://files.example'],
      [host, 'Sec-Fetch-Site: same-origin', 'Origin: null'],
      [`Origin: https://${own}`],
      [],
    ])
      expect(await ask(...lines)).toEqual([lines, 303]);
  });

  test.runIf(hasHttp2)('a POST of unknown length in HTTP/2 is not stored', async () => {
    const { url, id } = await issue({ pin: '4711' });
    const client = connect(`http://127.0.0.1:${site.nginx.port}`);
    onTestFinished(() => client.close());
    const send = async (body: string) => {
      const stream = client.request({ ':method': 'POST', ':path': url });
      for (const half of [body.slice(0, 512), body.slice(512)]) stream.write(half);
      stream.end();
      const [headers] = await once(stream, 'response');
      return headers[':status'];
    };
    const form = (length: number) => 'pin=4711&x='.padEnd(length, 'y');
    expect(await send(form(1025))).toBe(413);
    expect(await usesLeft(id)).toBe(1);
    expect(await send(form(1024))).toBe(303);
    const folder = join(site.nginx.dir, 'temp-client_body');
    expect(await readdir(folder, { recursive: true })).toEqual([]);
    expect(await site.nginx.errorLog()).not.toContain('buffered to a temporary file');
  });

  // Attacks.

  test('only a POST takes a use, whatever else a request says, so a link preview takes none', async () => {
    const { url, id } = await issue({ max_uses: 2 });
    const targets = [url, `${url}&_method=POST`, url.replace('film', '%66ilm')];
    for (const method of METHODS) {
      for (const target of targets) {
        const body = method === 'HEAD' ? '' : 'a=1';
        const headers = { ...OVERRIDES, 'Content-Length': String(body.length) };
        const answer = await site.ask(method, target, headers, body);
        expect(answer.status, `${method} ${target}`).toBeGreaterThanOrEqual(400);
        expect(answer.text).not.toContain('the film');
      }
    }
    for (const own of ['/.postern/POST', '/.postern/OPTIONS', '/confirm', '/.postern/POST/']) {
      const query = url.slice(url.indexOf('?'));
      expect((await site.ask('POST', own + query)).status).toBe(404);
    }
    expect((await site.postern.store.requesters(id)).total).toBe(0);
  });

  test('access rules of the server block also apply to a POST', async () => {
    const closed = await siteForTest({ mode, server: 'allow 127.0.0.2; deny all;' });
    const { url, id } = await closed.issue({ path, confirm: true });
    expect((await closed.ask('POST', url)).status).toBe(403);
    expect((await closed.postern.store.requesters(id)).total).toBe(0);
  });
});
