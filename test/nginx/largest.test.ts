import { afterEach, expect, test } from 'vitest';
import { apiKey, KEY, mount } from '../support/postern.ts';
import { modes, type Site, startSite } from '../support/site.ts';

let site: Site | undefined;
afterEach(() => site?.stop());

// nginx counts the gate as failed if a response does not fit the snippets' buffers.
test.each(modes)('buffers: the largest response of the gate fits by %s', async (mode) => {
  const segment = '漢'.repeat(85); // 255 bytes
  const path = `${Array.from({ length: 7 }, () => segment).join('/')}/${'漢'.repeat(80)}a`;
  expect(Buffer.byteLength(`/download/${path}`)).toBeGreaterThan(2040);
  site = await startSite({
    mode,
    files: { [path]: 'the whole' },
    mounts: [mount('/download/', '/protected/', { passArguments: ['start'] })],
  });
  const { url } = await site.issue({
    path: `/download/${path}`,
    subject: '漢'.repeat(256),
    filename: '漢'.repeat(255),
    limit_rate: 1_000_000_000_000,
  });
  const answer = await site.fetch(`${url}&start=${'+'.repeat(680)}`);
  expect([answer.status, await answer.text()]).toEqual([200, 'the whole']);
  expect(await site.nginx.errorLog()).not.toContain('[error]');
});

test.each(modes)('buffers: the largest response with target_args fits by %s', async (mode) => {
  const path = `${Array.from({ length: 7 }, () => '漢'.repeat(85)).join('/')}/${'漢'.repeat(80)}a`;
  site = await startSite({
    mode,
    files: { [path]: 'the whole' },
    apiKeys: [apiKey(KEY, { targets: ['/protected/'] })],
  });
  const { url } = await site.issue({
    path: `/download/${path}`,
    target: `/protected/${path}`,
    target_args: `X-Amz-Security-Token=${'%2F'.repeat(1358)}a`,
    subject: '漢'.repeat(256),
    filename: '漢'.repeat(255),
    limit_rate: 1_000_000_000_000,
    max_uses: 1,
  });
  const answer = await site.fetch(url);
  expect([answer.status, await answer.text()]).toEqual([200, 'the whole']);
  expect(await site.nginx.errorLog()).not.toContain('[error]');
});

test.each(modes)('buffers: the largest response with cookies fits by %s', async (mode) => {
  const folder = `${Array.from({ length: 11 }, (_, i) => 'abcdefghijk'[i]?.repeat(83)).join('/')}/`;
  const name = `${'漢'.repeat(80)}/${'漢'.repeat(80)}/${'漢'.repeat(80)}`;
  site = await startSite({
    mode,
    files: { [`${folder}${name}`]: 'the whole' },
    mounts: [mount('/download/', '/protected/', { passArguments: ['start'] })],
  });
  const { url, access_token: token } = await site.issue({
    prefix: `/download/${folder}`,
    subject: '漢'.repeat(256),
    filename: '漢'.repeat(255),
    limit_rate: 1_000_000_000_000,
    cookie: true,
    max_uses: 1,
  });
  const secrets = Array.from({ length: 9 }, (_, i) => String(i).repeat(22)).join('.');
  const answer = await site.fetch(`${url}${encodeURI(name)}?start=${'+'.repeat(680)}`, {
    headers: { cookie: `postern_resume=${secrets}` },
  });
  expect([answer.status, await answer.text()]).toEqual([200, 'the whole']);
  const [resume = '', kept = ''] = answer.headers.getSetCookie();
  expect(resume).toMatch(/^postern_resume=([\w-]{22}\.){7}[\w-]{22}; Path=\/download\/;/);
  expect(kept).toContain(`postern=${token}; Path=/download/${folder};`);
  expect(await site.nginx.errorLog()).not.toContain('[error]');
});
