import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { testNginx } from '../../dev/nginx.ts';
import { projectRoot } from '../../dev/paths.ts';
import { openRaw, requestBytes } from '../support/raw.ts';
import { modes, startSite } from '../support/site.ts';

const NAMES = [
  'http',
  'limit-conn',
  'cache',
  'cors',
  'login',
  'auth-request',
  'cors-headers',
  'protect',
  'x-accel',
  'internal',
  'internal-proxy',
  'headers',
  'listing',
] as const;
type Name = (typeof NAMES)[number];

const read = (name: string) => readFile(join(projectRoot, 'nginx', name), 'utf8');

/** Each of the snippets in the context that it is for. */
function configOf(subset: ReadonlySet<Name>, port: number): string {
  const say = (name: Name) => (subset.has(name) ? `include postern/${name}.conf;` : '');
  return `
    ${say('http')}
    ${say('limit-conn')}
    ${say('cache')}
    ${say('cors')}
    ${say('login')}
    ${subset.has('http') ? 'access_log own.log postern;' : ''}
    upstream postern { server 127.0.0.1:7300; keepalive 256; }
    server {
      listen 127.0.0.1:${port};
      ${say('auth-request')}
      ${say('cors-headers')}
      location ^~ /a/ { ${say('protect')} }
      location ^~ /b/ { ${say('x-accel')} }
      location ^~ /c/ { ${say('internal')} ${say('headers')} ${say('listing')} alias /srv/files/; }
      location ^~ /d/ { ${say('internal-proxy')} ${say('headers')} proxy_pass http://127.0.0.1:9/; }
    }`;
}

// A separate nginx -t for each subset, because a variable of one server block is declared for all. A snippet
// alone shows what it lacks, and two together show duplicates. So every selection passes.
const subsets = [
  [],
  ...NAMES.flatMap((one, i) => [[one], ...NAMES.slice(i + 1).map((other) => [one, other])]),
  ...NAMES.map((left) => NAMES.filter((name) => name !== left)),
  NAMES,
].map((names) => new Set<Name>(names));

describe('nginx -t', () => {
  test.concurrent.each(subsets.map((subset) => [[...subset].join(' ') || 'none', subset] as const))(
    'passes with %s',
    async (_, subset) => {
      const { ok, output } = await testNginx(({ port }) => configOf(subset, port));
      expect(output).not.toMatch(/\[(warn|emerg|crit|error)\]/);
      expect(ok).toBe(true);
    },
  );

  test('passes with nginx.conf', async () => {
    // The log's folder is the system's.
    const text = (await read('nginx.conf')).replace('/var/log/nginx/', '');
    const { ok, output } = await testNginx(text);
    expect([ok, output]).toEqual([true, expect.not.stringMatching(/\[warn\]/)]);
  });

  test('passes with examples/seed.conf', async () => {
    const text = (await read('examples/seed.conf')).replaceAll('/var/log/nginx/', '');
    const { ok, output } = await testNginx(() => text);
    expect([ok, output]).toEqual([true, expect.not.stringMatching(/\[warn\]/)]);
  });
});

/** x-accel.conf, or one of the two locations of auth-request.conf that ask the gate. */
async function asking(name: 'x-accel' | 'auth-request' | 'confirm'): Promise<string> {
  if (name === 'x-accel') return read('snippets/x-accel.conf');
  const text = await read('snippets/auth-request.conf');
  const start = text.indexOf(`location = /.postern/${name} {`);
  return text.slice(start, text.indexOf('\n}\n', start));
}

const headersOf = (text: string) =>
  [...text.matchAll(/^\s*proxy_set_header (\S+ .*);$/gm)].map((match) => match[1] as string);

test('snippets: auth_request and X-Accel send the same headers, and a confirmation three more', async () => {
  const headers = headersOf(await asking('auth-request'));
  expect(headersOf(await asking('x-accel'))).toEqual(headers);
  expect(headersOf(await asking('confirm'))).toEqual([
    ...headers.filter((header) => header !== 'Content-Length ""'),
    ...['Sec-Fetch-Site $http_sec_fetch_site', 'Origin $http_origin', 'Postern-Host $postern_host'],
  ]);
});

test('snippets: auth_request, X-Accel and a confirmation have the same proxy directives', async () => {
  // These differ by design: the URL of the gate, the used response headers, the denials, and the cache.
  const differ =
    /^proxy_(pass|intercept_errors|set_header|ignore_headers|hide_header|redirect|cookie_(path|domain|flags)|cache\w*|no_cache)$/;
  // A confirmation is a POST with its body.
  const ofPost = /^proxy_(method|set_body|pass_request_body|request_buffering)$/;
  const stated = async (name: Parameters<typeof asking>[0], without = /^$/) => {
    const lines = [
      ...(await asking(name)).replace(/#.*/g, '').matchAll(/^\s*((proxy_\w+) .*);$/gm),
    ];
    const names = lines.filter(([, , one = '']) => !differ.test(one) && !without.test(one));
    return names.map((match) => match[1]);
  };
  expect(await stated('x-accel')).toEqual(await stated('auth-request'));
  expect(await stated('confirm', ofPost)).toEqual(await stated('auth-request', ofPost));
});

describe.each(modes)('snippets: connections to the gate by %s', (mode) => {
  test.each(['allowed', 'denied'])('50 requests, %s, use one or two', async (outcome) => {
    const site = await startSite({ mode, files: { 'a.txt': 'file a' } });
    onTestFinished(site.stop);
    let opened = 0;
    site.gate.server.on('connection', () => {
      opened += 1;
    });
    const { url } = await site.issue({ path: '/download/a.txt' });
    const target = outcome === 'allowed' ? url : url.replace('a.txt', 'b.txt');
    const connection = await openRaw(site.nginx.port);
    for (let i = 0; i < 50; i += 1) {
      const { status } = await connection.send(requestBytes('GET', target));
      expect(status).toBe(outcome === 'allowed' ? 200 : 403);
    }
    connection.close();
    expect(opened).toBeGreaterThan(0);
    expect(opened).toBeLessThanOrEqual(2);
  });
});
