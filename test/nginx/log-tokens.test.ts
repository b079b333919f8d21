import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Nginx, startNginx } from '../../dev/nginx.ts';
import { waitFor } from '../../dev/wait.ts';
import { newToken } from '../../service/domain/token.ts';
import { shows, uriWithTokens } from '../support/encoded-tokens.ts';
import { requestBytes, sendRaw } from '../support/raw.ts';

const TOKEN = newToken();
const BODY = TOKEN.slice(3);
const JWT_BODY = `ey${'b'.repeat(40)}.${'c'.repeat(43)}`;

test('http.conf: request line and Referer are read by the same pattern', async () => {
  const text = await readFile('nginx/snippets/http.conf', 'utf8');
  const patternOf = (variable: string) =>
    new RegExp(`map "[^"]+" \\$${variable} \\{\\n.*\\n\\s*("~[^"]+")`).exec(text)?.[1];
  expect(patternOf('postern_request')).toBeDefined();
  expect(patternOf('postern_referer')).toBe(patternOf('postern_request'));
});

describe.each(['off', 'on'])('log: the access log with pcre_jit %s', (jit) => {
  let nginx: Nginx;
  beforeAll(async () => {
    nginx = await startNginx({
      config: ({ port }) => `
        pcre_jit ${jit};
        events { worker_connections 512; }
        http {
          include postern/http.conf;
          access_log postern.log postern;
          large_client_header_buffers 4 80k;
          server { listen 127.0.0.1:${port}; return 204; }
        }`,
    });
  });
  afterAll(() => nginx.stop());

  const lines = async () =>
    (await readFile(join(nginx.dir, 'postern.log'), 'latin1')).split('\n').slice(0, -1);

  /** Sends one request after the other, and returns the two fields of each line. */
  async function logged(targets: readonly string[]) {
    const before = (await lines()).length;
    for (const [i, target] of targets.entries()) {
      const bytes = [`GET ${target} HTTP/1.1`, `Host: x`, `Referer: https://x${target}`, '', ''];
      await sendRaw(nginx.port, Buffer.from(bytes.join('\r\n'), 'latin1'));
      await waitFor(async () => (await lines()).length > before + i, { what: 'the line' });
    }
    return (await lines()).slice(before).map((line) => {
      const { request, referer } = JSON.parse(line);
      return { request, referer } as { request: string; referer: string };
    });
  }

  test('no token can be decoded from a line', async () => {
    const samples = fc.sample(uriWithTokens, { numRuns: 300, seed: 42 });
    const found = await logged(samples.map(({ uri }) => uri));
    found.forEach(({ request, referer }, i) => {
      const { uri, tokens } = samples[i] as (typeof samples)[number];
      expect([uri, shows(request, tokens), shows(referer, tokens)]).toEqual([uri, false, false]);
    });
    expect(found.filter(({ request }) => request.includes('***')).length).toBeGreaterThan(150);
  });

  test.each([
    ['after 1,400 characters of a token', `/?x=ps_${'a'.repeat(1400)}&token=${TOKEN}`],
    ['after 60,000 characters of a token', `/?x=ps_${'a'.repeat(60_000)}&token=${TOKEN}`],
    ['before 60,000 characters', `/?token=${TOKEN}&x=ps_${'a'.repeat(60_000)}`],
    ['after 60,000 characters of escapes', `/?x=ps_${'%41'.repeat(20_000)}&token=${TOKEN}`],
    ['after 60,000 characters of anything', `/?x=${'p/%25ey.'.repeat(7_500)}&token=${TOKEN}`],
    ['followed by 60,000 characters', `/?token=${TOKEN}${'a'.repeat(60_000)}`],
    ['broken by an encoded line break', `/?token=${TOKEN.slice(0, 20)}%0D%0A${TOKEN.slice(20)}`],
    ['broken after its first letter', `/?token=p%0As_${BODY}`],
    ['broken after its second letter', `/?token=ps%250D%250A_${BODY}`],
    ['broken after its third character', `/?token=ps_%0D%0A${BODY}`],
    ['broken often, and encoded', `/?token=%70${'%0A'.repeat(1000)}%2573%0D_${BODY}`],
    ['a JWT broken after its first letter', `/?token=e%0AyJ${'a'.repeat(30)}.${JWT_BODY}`],
    ['after an encoded byte order mark', `/?token=%EF%BB%BF${TOKEN}`],
    ['after half an escape', `/?token=%7${TOKEN}&x=%2${TOKEN}`],
    ['beside another token', `/?token=${TOKEN}${TOKEN}`],
    ['four times', `/${TOKEN}/${TOKEN}/${TOKEN}/${TOKEN}`],
    ['with its first letter encoded four times', `/?token=%25252570s_${BODY}`],
    ['with every byte encoded twice', `/?token=%25%37%30s_${BODY}`],
    ['with half an escape encoded', `/?token=%7%30s_${BODY}`],
  ])('a token is not written: %s', async (_, target) => {
    const [line] = await logged([target]);
    expect(line?.request).not.toContain(BODY);
    expect(line?.request).not.toContain(JWT_BODY);
    expect(line?.request).not.toContain(BODY.slice(17));
    expect(line?.referer).not.toContain(BODY);
    expect(line?.referer).not.toContain(JWT_BODY);
    expect(line?.referer).not.toContain(BODY.slice(17));
  });

  test('an incomplete request line is hidden', async () => {
    const target = `/${'a'.repeat(80 * 1024 - 40)}${TOKEN}`;
    await sendRaw(nginx.port, requestBytes('GET', target), 'GET');
    const log = await waitFor(
      async () => {
        return (await lines()).find((line) => line.includes('"status":414'));
      },
      { what: 'the line' },
    );
    expect(log).not.toContain(TOKEN.slice(0, 20));
  });

  const ordinary = [
    '/',
    '/download/maps_of_the_world_and_of_all_its.countries.pdf',
    '/download/maps_%E6%9D%B1%E4%BA%AC%E9%83%BD%E3%81%AE%E5%9C%B0%E5%9B%B3.pdf',
    '/download/PS_ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF',
    '/download/keyboard_layouts_of_the_world.tar.gz?x=eyes.wide.shut',
    '/search?q=100%25%20off&next=%2Fa%3Fb%3D%2525',
    '/download/ps_/ey/%70s_/%65y',
    `/download/${'a/b%20c'.repeat(1000)}`,
    '/download/r\u00c3\u00a9sum\u00c3\u00a9.pdf',
  ];
  test('a line without a token stays as it is', async () => {
    const found = await logged(ordinary);
    const utf8 = (text: string) => Buffer.from(text, 'latin1').toString('utf8');
    found.forEach(({ request, referer }, i) => {
      expect(utf8(request)).toBe(utf8(`GET ${ordinary[i]} HTTP/1.1`));
      expect(utf8(referer)).toBe(utf8(`https://x${ordinary[i]}`));
    });
  });

  test('the pattern never reaches the limits of PCRE', async () => {
    expect(await nginx.errorLog()).not.toMatch(/\[(alert|crit|emerg)\]/);
  });
});
