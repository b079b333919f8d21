import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newToken } from '../../service/token/token.ts';
import { withoutTokens } from '../../service/token/without-tokens.ts';
import { type Nginx, startNginx } from '../harness/nginx.ts';
import { waitFor } from '../harness/wait.ts';
import { shows, uriWithTokens } from '../support/encoded-tokens.ts';
import { reconnecting, requestBytes, sendRaw } from '../support/raw.ts';

const TOKEN = newToken();
const BODY = TOKEN.slice(3);
/** What a mail program or a person puts into a link. */
const BREAKS = ['%20', '+', '.', '%E2%80%8B', '%C2%AD', '\u00e2\u0080\u008b', '%e2%80%8b+'];
const JWT_BODY = `ey${'b'.repeat(40)}.${'c'.repeat(43)}`;

/** What URLs consist of, and what tokens begin with. */
const harmlessPiece = fc.oneof(
  fc.constantFrom(...'/?&=~:,;+()!*\'"@$|pey_.-sJ7'),
  fc.constantFrom('ps_', 'ey', 'maps_of', 'keyboard', '%20', '%2F', '%3d', '%26', '%7E', '%5b'),
  fc.constantFrom('%C3%A9', '%e6%9d%b1', '\u00c3\u00a9', 'a'.repeat(15), 'b'.repeat(31)),
);
const piece = fc.oneof(
  { weight: 3, arbitrary: harmlessPiece },
  { weight: 1, arbitrary: fc.constantFrom('%', '%2', '%25', '%70', '%5F', '%0A', '%2E', '%2D') },
  { weight: 1, arbitrary: fc.constantFrom(TOKEN, BODY, `.${JWT_BODY}`, JWT_BODY.slice(0, 20)) },
  { weight: 1, arbitrary: fc.constantFrom('ps_7', BODY.slice(0, 11), BODY.slice(12), ...BREAKS) },
);
const sampleOf = (pieces: fc.Arbitrary<string>) =>
  fc.sample(
    fc.array(pieces, { minLength: 1, maxLength: 12 }).map((all) => `/${all.join('')}`),
    { numRuns: 300, seed: 42 },
  );

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
  // nginx writes the line of a request before it reads the next one of the connection.
  const connection = reconnecting(() => nginx.port);
  afterAll(connection.close);

  const lines = async () =>
    (await readFile(join(nginx.dir, 'postern.log'), 'latin1')).split('\n').slice(0, -1);

  /** Sends one request after the other, and returns the fields of each line that a client can choose. */
  async function logged(targets: readonly string[]) {
    const before = (await lines()).length;
    for (const target of targets) {
      const bytes = [`GET ${target} HTTP/1.1`, `Host: x`, `Referer: https://x${target}`];
      bytes.push(`User-Agent: x/1 ${target}`, '', '');
      await connection.send(Buffer.from(bytes.join('\r\n'), 'latin1'));
    }
    await expect.poll(() => lines()).toHaveLength(before + targets.length);
    return (await lines()).slice(before).map((line) => {
      const { request, referer, user_agent: agent } = JSON.parse(line);
      return { request, referer, agent } as Record<'request' | 'referer' | 'agent', string>;
    });
  }

  test('no token can be decoded from a line', async () => {
    const samples = fc.sample(uriWithTokens, { numRuns: 300, seed: 42 });
    const found = await logged(samples.map(({ uri }) => uri));
    found.forEach((fields, i) => {
      const { uri, tokens } = samples[i] as (typeof samples)[number];
      const shown = Object.values(fields).filter((text) => shows(text, tokens));
      expect([uri, ...shown]).toEqual([uri]);
    });
    expect(found.filter(({ request }) => request.includes('***')).length).toBeGreaterThan(150);
  });

  test('an encoded byte hides its word unless it is a separator or not ASCII', async () => {
    const bytes = Array.from({ length: 256 }, (_, byte) => byte);
    const targets = bytes.flatMap((byte) => {
      const hex = byte.toString(16).padStart(2, '0');
      return [`/b%${hex}a`, `/b%${hex.toUpperCase()}a`];
    });
    const found = await logged(targets);
    const shown = targets.filter((uri, i) => found[i]?.request === `GET ${uri} HTTP/1.1`);
    const isSeparator = (uri: string) => {
      const byte = parseInt(uri.slice(3, 5), 16);
      return byte >= 0x20 && byte !== 0x7f && /[^\w.%-]/.test(String.fromCharCode(byte));
    };
    expect(shown).toEqual(targets.filter(isSeparator));
    const hidden = found.filter(({ request }) => request === 'GET /b*** HTTP/1.1');
    expect(hidden.length).toBe(512 - shown.length);
  });

  test('what withoutTokens would change is not written', async () => {
    const samples = sampleOf(piece);
    const found = await logged(samples);
    found.forEach(({ request, agent }, i) => {
      expect([samples[i], withoutTokens(request)]).toEqual([samples[i], request]);
      expect([samples[i], withoutTokens(agent)]).toEqual([samples[i], agent]);
    });
    const changed = samples.filter((uri) => withoutTokens(uri) !== uri);
    expect(changed.length).toBeGreaterThan(100);
  });

  test('a line without a token stays as it is, whatever it consists of', async () => {
    const samples = sampleOf(harmlessPiece).filter((uri) => withoutTokens(uri) === uri);
    expect(samples.length).toBeGreaterThan(200);
    const found = await logged(samples);
    expect(found.map(({ request }) => request)).toEqual(
      samples.map((uri) => `GET ${uri} HTTP/1.1`),
    );
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
  ])('a token is not written: %s', async (_, target) => {
    const [line] = await logged([target]);
    for (const secret of [BODY, JWT_BODY, BODY.slice(17)]) {
      expect(JSON.stringify(line)).not.toContain(secret);
    }
  });

  test.each(BREAKS)('no half of a token with %s in it is written', async (text) => {
    const at = Array.from({ length: BODY.length - 1 }, (_, i) => i + 1);
    const found = await logged(at.map((i) => `/ps_${BODY.slice(0, i)}${text}${BODY.slice(i)}`));
    expect(new Set(found.map(({ request }) => request))).toEqual(new Set(['GET /*** HTTP/1.1']));
  });

  test('an incomplete request line does not show the beginning of a token', async () => {
    const target = `/${'a'.repeat(80 * 1024 - 40)}/${TOKEN}`;
    await sendRaw(nginx.port, requestBytes('GET', target), 'GET');
    const tooLong = async () => (await lines()).find((line) => line.includes('"status":414'));
    const log = await waitFor(tooLong, { what: 'the line' });
    expect(log).toContain('aaa/***"');
    expect(log).not.toContain(TOKEN.slice(0, 8));
  });

  test('an ordinary User-Agent stays as it is, and its bytes need not be UTF-8', async () => {
    const agents = [
      ...['curl/8.5.0', '-', 'My%20App/1 CFNetwork/1490.0.4 Darwin/23.2.0', 'caf\xe9/1 "\\'],
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36',
      ...['a'.repeat(512), 'a'.repeat(513)],
    ];
    const before = (await lines()).length;
    for (const agent of agents) {
      await connection.send(
        Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: ${agent}\r\n\r\n`, 'latin1'),
      );
    }
    await expect.poll(() => lines(), { message: 'the lines' }).toHaveLength(before + agents.length);
    const found = (await lines()).slice(before).map((line) => JSON.parse(line).user_agent);
    expect(found).toEqual([...agents.slice(0, -1), '[hidden]']);
  });

  test('the pattern never reaches the limits of PCRE', async () => {
    expect(await nginx.errorLog()).not.toMatch(/\[(alert|crit|emerg)\]/);
  });
});
