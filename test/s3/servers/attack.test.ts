import type { IncomingMessage } from 'node:http';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { createSign } from '../../../service/s3/sign.ts';
import { listening, mount } from '../../support/postern.ts';
import { type Headers, requestBytes, sendRaw } from '../../support/raw.ts';
import { gateSnippet, modes, useSite } from '../../support/site.ts';
import { timeOf } from '../../support/storage-sites.ts';

const CREDENTIALS = { accessKeyId: 'AKIA', secretAccessKey: 'the-secret-of-the-storage' };
const SECRET = 'an object that nobody may have';

/** Below the folder of the token, `/media/hls/`. */
const BELOW = [
  '',
  ...`
  ../other/x.ts %2e%2e/other/x.ts .%2E/other/x.ts ..%2fother%2fx.ts %252e%252e/other/x.ts ./x.ts
  /x.ts a//x.ts a%2f%2fx.ts x.ts%00 x.ts%0d%0aHost:%20other x.ts%20 ..%5cother%5cx.ts
  %c0%ae%c0%ae/other/x.ts x.ts;/../../other/x.ts a/ ?list-type=2&prefix=other
  x.ts?versionId=1&response-content-type=text/html x.ts?X-Amz-Signature=0&X-Amz-Expires=604800
  x.ts?a=b%26acl#acl x.ts%3Facl x.ts%3FX-Amz-Expires=604800 x.ts%23/../../other/x.ts
  $args/$postern_object/$uri http:%2f%2f169.254.169.254%2flatest`
    .trim()
    .split(/\s+/),
];

/** Instead of the folder, with the token after the query or in the path. */
const BESIDE = `
  /media/hls2/x.ts /media/hls%2fx.ts /media/other/x.ts /media/hls /media/ /media2/hls/x.ts
  /media%2f../media2/hls/x.ts /media/../media2/hls/x.ts /media//hls/x.ts //media/hls/x.ts
  /media/hls/../../download/secret.txt /download/secret.txt /s3-media/hls/x.ts /s3-other/hls/x.ts
  /other/x.ts http://storage/media/other/x.ts`
  .trim()
  .split(/\s+/);

const HEADERS: Headers = {
  Host: 'other.storage.example',
  'Postern-Target': '/s3-other/hls/x.ts',
  'Postern-Object': 'other/x.ts',
  'Postern-Args': 'acl',
  'Postern-Site': 'other.example',
  'X-Accel-Redirect': '/s3-other/hls/x.ts',
  'X-Original-URI': '/media/other/x.ts',
  'X-Original-Method': 'GET',
  'X-HTTP-Method-Override': 'DELETE',
  'X-Forwarded-Host': 'other.storage.example',
  'X-Amz-Date': '20260101T000000Z',
  'X-Amz-Copy-Source': '/media/other/x.ts',
};

describe.each(modes)('object store: no request reaches another object by %s', async (mode) => {
  const asked: IncomingMessage[] = [];

  const storage = await listening((request, response) => {
    asked.push(request);
    response.end(SECRET);
  });
  const signFor = (bucket: string, now = Date.now) => {
    const location = { endpoint: `http://127.0.0.1:${storage.port}`, region: 'us-east-1', bucket };
    return createSign({ ...location, prefix: 'videos/', style: 'path' }, CREDENTIALS, now);
  };

  const proxy = (prefix: string, bucket: string) => `
    location ^~ ${prefix} {
      include postern/internal-proxy.conf;
      proxy_set_header Host 127.0.0.1:${storage.port};
      proxy_pass http://storage/${bucket}/videos/$postern_object?$args;
    }`;
  const site = useSite({
    mode,
    files: { 'secret.txt': SECRET },
    mounts: [
      mount('/media/', '/s3-media/', { sign: (name) => signFor('media')(name) }),
      mount('/media2/', '/s3-other/', { sign: (name) => signFor('other')(name) }),
      mount('/download/', '/protected/'),
    ],
    http: `upstream storage { server 127.0.0.1:${storage.port}; keepalive 8; }`,
    server: 'underscores_in_headers on;',
    locations: `
      location ^~ /media/ { ${gateSnippet(mode)} }
      location ^~ /media2/ { ${gateSnippet(mode)} }
      ${proxy('/s3-media/', 'media')} ${proxy('/s3-other/', 'other')}`,
  });
  beforeEach(() => {
    asked.length = 0;
  });
  afterAll(() => storage.stop());

  const ask = (target: string, headers: Headers = {}, method = 'GET') =>
    sendRaw(site.nginx.port, requestBytes(method, target, headers), method);

  /** Every request at the storage: a GET for an object in the folder, signed for it, and nothing else. */
  function expectCovered(): void {
    for (const { method, url = '', headers } of asked) {
      const [path = '', args = ''] = url.split('?');
      expect([method, path]).toEqual(['GET', expect.stringMatching(/^\/media\/videos\/hls\/./)]);
      const name = path.slice('/media/videos/'.length);
      const decoded = decodeURIComponent(name);
      expect(decoded.split('/').filter((segment) => /^\.{0,2}$/.test(segment))).toEqual([]);
      expect({ object: name, args }).toEqual(signFor('media', () => timeOf(args))(decoded));
      expect(headers.host).toBe(`127.0.0.1:${storage.port}`);
      const others = Object.keys(headers).filter((header) => header !== 'host');
      expect(others.filter((header) => !/^(range|if-.*)$/.test(header))).toEqual([]);
    }
  }

  test('paths and queries', async () => {
    const { access_token: token, url } = await site.issue({ prefix: '/media/hls/' });
    const targets = [
      ...BELOW.map((rest) => url + rest),
      ...BELOW.map((rest) => `/media/hls/${rest}${rest.includes('?') ? '&' : '?'}token=${token}`),
      ...BESIDE.map((path) => `${path}?token=${token}`),
      ...BESIDE.map((path) => path.replace(/^(\/[^/]+\/)/, `$1~${token}/`)),
    ];
    let opened = 0;
    for (const target of targets) {
      const before = asked.length;
      const { status, text } = await ask(target);
      if (text.includes(SECRET)) opened += 1;
      expect([target, text.includes(SECRET)]).toEqual([target, status === 200]);
      expect([target, asked.length - before]).toEqual([target, status === 200 ? 1 : 0]);
    }
    expectCovered();
    // Names with %, ? and # are legal, and were fetched by those names.
    expect(opened).toBeGreaterThan(5);
    expect(opened).toBe(asked.length);
  });

  test('headers and methods', async () => {
    const { url } = await site.issue({ prefix: '/media/hls/' });
    for (const [name, value] of Object.entries(HEADERS)) {
      expect((await ask(`${url}x.ts`, { [name]: value })).text).toContain(SECRET);
      expect((await ask('/media/hls/x.ts', { [name]: value })).status).toBe(401);
    }
    expect((await ask(`${url}x.ts`, HEADERS, 'HEAD')).status).toBe(200);
    for (const method of ['PUT', 'DELETE', 'PATCH', 'COPY']) {
      expect((await ask(`${url}x.ts`, {}, method)).status).toBe(403);
    }
    expectCovered();
    expect(asked.length).toBe(Object.keys(HEADERS).length + 1);
  });
});
