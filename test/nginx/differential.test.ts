import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mount } from '../support/postern.ts';
import { reconnecting, requestBytes } from '../support/raw.ts';
import {
  covering,
  credential,
  FILES,
  filled,
  headers,
  issueTokens,
  line,
} from '../support/request-lines.ts';
import { gateSnippet, modes, type Site, startSite } from '../support/site.ts';
import { bytes } from '../support/spellings.ts';

// Generated request lines at real nginx: once with the gate, and once without the token at a plain location
// with the same files. If the gate allows the request, the client gets the file of its token, and the same
// file as from the plain location. If the plain location rejects the request, the gate rejects it, too.

const SECRET = 'beside the folder';

describe.each(modes)('differential: nginx and Postern by %s', (mode) => {
  let site: Site;
  let tokens: ReadonlyMap<string, string>;

  beforeAll(async () => {
    site = await startSite({
      mode,
      files: { ...FILES, '../secret.txt': SECRET, '../www/index.html': 'the front page' },
      mounts: [mount('/download/', '/protected/'), mount('/other/', '/protected/sub/')],
      http: `
        server {
          listen 127.0.0.1:$port;
          server_name plain.example;
          if ($host != plain.example) { return 400; }
          location ^~ /download/ { alias $files/; }
          location ^~ /other/ { alias $files/sub/; }
          location / { root $files/../www; }
        }`,
      locations: `
        location ^~ /other/ { ${gateSnippet(mode)} }
        location / { root $files/../www; }`,
    });
    tokens = await issueTokens(site.issue);
  });
  afterAll(() => site.stop());

  const connection = reconnecting(() => site.nginx.port);
  afterAll(connection.close);
  const ask = (target: string, header: Record<string, string> = {}) =>
    connection.send(requestBytes('GET', bytes(target), header));

  /** The same line without a token in its path, for the site that asks for none. */
  const plainOf = (text: string) =>
    filled(
      text
        .replace('http://files.example', 'http://plain.example')
        .replace(/(\/(?:download|other)\/)(?:~|%7e)\{[^}]*\}\//i, '$1'),
      tokens,
    );

  test('read a URI in the same way: the served file is that of the token', async () => {
    let requests = 0;
    let served = 0;
    await fc.assert(
      fc.asyncProperty(line, headers, async (text, header) => {
        const sent = header ? credential(header, tokens) : {};
        const { status, text: body } = await ask(filled(text, tokens), sent);
        requests += 1;
        expect(body).not.toContain(SECRET);
        if (!body.startsWith('this is ')) return;
        served += 1;
        expect(status).toBe(200);
        const name = body.slice('this is '.length);
        expect(covering(name, text, header)).not.toEqual([]);
        const plain = await ask(plainOf(text), { Host: 'plain.example' });
        expect([plain.status, plain.text]).toEqual([200, body]);
      }),
      { numRuns: 5000, interruptAfterTimeLimit: 8_000, markInterruptAsFailure: false },
    );
    expect(requests).toBeGreaterThan(100);
    expect(served).toBeGreaterThan(requests / 50);
  }, 30_000);
});
