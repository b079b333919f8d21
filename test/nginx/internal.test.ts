import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bytes, linesOf, unescaped } from '../support/fixtures.ts';
import { gateSnippet, modes, siteForTest, useSite } from '../support/site.ts';

const URLS = `
  /protected/a.txt /protected/ /protected //protected/a.txt ///protected///a.txt
  /./protected/a.txt /x/../protected/a.txt /%70rotected/a.txt /protected%2fa.txt /PROTECTED/a.txt
  /Protected/a.txt /protected../files/a.txt /protected/a.jpg /protected/a.php
  http://files.example/protected/a.txt /.postern/auth-request /.postern/page /.postern/page/
  /.postern/page/failed /.postern/pages /.postern/pages/en/denied.html //.postern/auth-request
  //.postern//page /download/../.postern/page /x/..%2f.postern/page /.postern/
  /.postern /.POSTERN/auth-request /%2epostern/page /@postern_deliver @postern_deliver
  /auth-request /x-accel /livez /page`
  .trim()
  .split(/\s+/);

describe.each(modes)('internal location: cannot be requested by %s', (mode) => {
  let token: string;
  const files = { 'a.txt': 'file a', 'a.jpg': 'file a', 'a.php': 'file a' };
  const locations = 'location ~* \\.(jpg|php)$ { root $files/..; }';
  // After a `break`, only `internal` protects the files: the check of the decision does not run.
  const internal = 'break; include postern/internal.conf; alias $files/;';
  const site = useSite({ mode, files, locations, internal }, async () => {
    token = (await site.issue({ prefix: '/download/' })).access_token;
  });

  test.each(URLS)('%s', async (url) => {
    for (const method of ['GET', 'HEAD', 'POST']) {
      for (const target of [url, `${url}?token=${token}`]) {
        const headers = { Authorization: `Bearer ${token}`, 'Content-Length': '0' };
        const answer = await site.ask(method, target, { ...headers, 'Postern-Page': 'listing' });
        expect(answer.status).toBe(url.startsWith('@') ? 400 : 404);
        expect(answer.text).not.toContain('file a');
        expect(answer.header('location')).toBeUndefined();
      }
    }
  });

  // Without a token there is no rate, and nginx would log an error for each request.
  test('nginx logs no error of the snippets', async () => {
    await site.ask('GET', '/protected/a.txt');
    expect(await site.nginx.errorLog()).not.toContain('invalid size');
  });
});

const SECRET = 'the secret beside the folder';

describe.each(modes)('traversal: no path leaves the folder by %s', (mode) => {
  let token: string;
  const site = useSite(
    {
      mode,
      files: { 'a.txt': 'file a', 'sub/a.txt': 'file a' },
      internal: `
        error_page 404 @gone;
        include postern/internal.conf;
        alias $files/;
        add_header Allowed $postern_target$upstream_http_x_accel_redirect always;`,
      locations: `
        location @gone {
          add_header Allowed $postern_target$upstream_http_x_accel_redirect always;
          return 404;
        }`,
    },
    async () => {
      await writeFile(join(site.files, '..', 'secret.txt'), SECRET);
      await mkdir(join(site.files, '..', 'protected'));
      token = (await site.issue({ prefix: '/download/' })).access_token;
    },
  );

  /** Also checks that no decision allowed it: a 404 could be a missing file. */
  async function refused(target: string): Promise<void> {
    const answer = await site.ask('GET', bytes(target), { Connection: 'close' });
    expect([400, 401, 403, 404], target).toContain(answer.status);
    expect(answer.header('Allowed'), target).toBeUndefined();
    expect(answer.text, target).not.toContain(SECRET);
    expect(answer.text, target).not.toContain('file a');
  }

  test.each(linesOf('hostile-names.txt').map(unescaped))('%j', async (spelling) => {
    await refused(`/download/${spelling}?token=${token}`);
    await refused(`/download/~${token}/${spelling}`);
    await refused(`/download/~${token}/sub/${spelling}`);
  });

  // Legal names that look like a way out of the folder. No file has them.
  test.each([
    ...['%252e%252e/secret.txt', '..%252fsecret.txt', '%25252e%25252e/secret.txt'],
    ...['\u2024\u2024/secret.txt', '%ef%bc%8e%ef%bc%8e/secret.txt', '..%e2%88%95secret.txt'],
    ...['..;/secret.txt', '..%20/secret.txt', '.../secret.txt'],
  ])('%s gets 404', async (name) => {
    const answer = await site.ask('GET', bytes(`/download/~${token}/${name}`));
    expect(answer.status).toBe(404);
    expect(answer.header('Allowed')).toMatch(/^\/protected\//);
  });

  test('paths beside the mount', async () => {
    for (const target of linesOf('hostile-targets.txt')) {
      await refused(`${target}?token=${token}`);
      await refused(target);
    }
  });

  test('dot segments around the token', async () => {
    for (const target of [
      ...[`/download/~${token}/../a.txt`, `/download/~${token}//a.txt`],
      ...[`/download/x/../~${token}/a.txt`, `/download/~${token}`, `/download/~${token}/`],
      ...[`/download/~${token}/a.txt?token=${token}`, `/download/%7e%70${token.slice(1)}/a.txt`],
      ...[`/download/a.txt?token=${token}&token=${token}`, `/download/a.txt?%74oken=${token}`],
    ]) {
      await refused(target);
    }
  });

  test('an absolute URI has the same path', async () => {
    const answer = await site.ask('GET', `http://other.example/download/a.txt?token=${token}`);
    expect([answer.status, answer.text]).toEqual([200, 'file a']);
  });
});

test.each(modes)('internal: above auth-request.conf, it logs no token by %s', async (mode) => {
  const site = await siteForTest({
    mode,
    files: { 'a.txt': 'file a' },
    server: `location ^~ /protected/ {
        include postern/internal.conf;
        include postern/listing.conf;
        alias $files/;
      }`,
    only: `location ^~ /download/ { ${gateSnippet(mode)} }`,
  });
  const { url } = await site.issue({ path: '/download/a.txt' });
  expect((await site.ask('GET', url)).text).toBe('file a');
  const asking = await site.issue({ path: '/download/a.txt', confirm: true });
  expect((await site.ask('GET', asking.url)).status).toBe(401);
  expect((await site.ask('POST', asking.url, { 'Content-Length': '0' })).status).toBe(303);
  expect((await site.ask('POST', '/download/a.txt', { 'Content-Length': '0' })).status).toBe(401);
  expect(await site.nginx.errorLog()).not.toContain('uninitialized');
});
