import { expect, onTestFinished, test } from 'vitest';
import { modes, startSite } from '../support/site.ts';

// As in docs/nginx-recipes.md: above the include, because nginx uses the first line for a status.
test('error pages: own pages for denials keep the status', async () => {
  const site = await startSite({
    mode: 'auth_request',
    files: {
      'a.txt': 'file a',
      '../www/401.html': 'please log in',
      '../www/403.html': 'not yours',
    },
    only: `
      error_page 401 403 404 =200 /pages/403.html;
      location ^~ /download/ {
        error_page 401 /pages/401.html;
        error_page 403 /pages/403.html;
        include postern/protect.conf;
      }
      location ^~ /pages/ { internal; alias $files/../www/; }
      location ^~ /protected/ { include postern/internal.conf; alias $files/; }`,
  });
  onTestFinished(site.stop);
  const { url } = await site.issue({ path: '/download/a.txt' });
  const bearer = 'Bearer realm="postern"';
  for (const [target, status, text, challenge] of [
    ['/download/a.txt', 401, 'please log in', bearer],
    [
      `/download/a.txt?token=ps_${'x'.repeat(32)}`,
      401,
      'please log in',
      `${bearer}, error="invalid_token"`,
    ],
    [url.replace('a.txt', 'b.txt'), 403, 'not yours', undefined],
    [url, 200, 'file a', undefined],
  ] as const) {
    const answer = await site.ask('GET', target, { Accept: 'text/html' });
    expect([answer.status, answer.text]).toEqual([status, text]);
    expect(answer.header('www-authenticate')).toBe(challenge);
  }
  // A missing file is not a denial, and no page is saved instead of it.
  const none = await site.issue({ path: '/download/none' });
  const missing = await site.ask('GET', none.url);
  expect(missing.status).toBe(404);
  expect(missing.text).not.toContain('not yours');
  await site.gate.stop();
  expect((await site.ask('GET', url)).status).toBe(503);
  const codes = async () =>
    (await site.log())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).code);
  // nginx can write the line after the response.
  await expect
    .poll(codes)
    .toEqual([
      'missing_token',
      'invalid_token',
      'insufficient_scope',
      'allow',
      'allow',
      'unavailable',
    ]);
});

test.each(modes)(
  'error pages: by %s a protected file is not served as the error page of another location',
  async (mode) => {
    const site = await startSite({
      mode,
      files: { 'a.txt': 'file a' },
      locations: `
      error_page 401 403 =200 /download/a.txt;
      error_page 404 =200 /protected/a.txt;
      location = /denied { return 403; }
      location = /gone { return 404; }`,
    });
    onTestFinished(site.stop);
    for (const target of ['/denied', '/gone', '/download/a.txt']) {
      expect((await site.ask('GET', target)).text).not.toContain('file a');
    }
  },
);
