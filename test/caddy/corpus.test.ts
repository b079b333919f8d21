import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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
import { BESIDE, bytes, CLASSES, LEGAL } from '../support/spellings.ts';
import { type CaddySite, startCaddySite } from './site.ts';

// The spellings of test/nginx/traversal.test.ts and differential.test.ts, and all triples of what a
// path can be made of. The served file must be one that the token covers.

const SECRET = 'beside the folder';
/** Also names that another number of decodings would find, and index files. */
const OTHERS = ['sub/a%2etxt', 'sub/%2e%2e', 'index.html', 'sub/index.html'];
const ALL: Readonly<Record<string, string>> = {
  ...FILES,
  ...Object.fromEntries(OTHERS.map((name) => [name, `this is ${name}`])),
};
const ANY_FILE = /this is|beside/;
const OUTSIDE = ['../secret.txt', '../site/secret.txt'];

let site: CaddySite;
let connection: ReturnType<typeof reconnecting>;
beforeAll(async () => {
  site = await startCaddySite({
    files: ALL,
    mounts: [mount('/download/', '/protected/'), mount('/other/', '/protected/sub/')],
    // A second mount, and an end: Caddy answers 200 without a body if no route matches.
    edit: (recipe) => {
      const route = /\n\thandle \/download\/[*] \{[\s\S]*?\n\t\}\n/.exec(recipe)?.[0] ?? '';
      const other = route.replaceAll('/download/', '/other/');
      return recipe.replace(route, () => `${route}${other}\thandle {\n\t\trespond 404\n\t}\n`);
    },
  });
  for (const name of OUTSIDE) {
    const path = join(site.files, name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, SECRET);
  }
  connection = reconnecting(() => site.port);
});
afterAll(async () => {
  connection.close();
  await site.stop();
});

const ask = (target: string, header: Record<string, string> = {}) =>
  connection.send(requestBytes('GET', bytes(target), header));

describe('Caddy: no path leaves the folder', () => {
  async function denied(target: string): Promise<void> {
    const { status, text } = await ask(target);
    expect(text, target).not.toMatch(ANY_FILE);
    // Caddy answers 200 without a body for a host that is not in its configuration.
    if (status === 200)
      expect([target, text]).toEqual([expect.stringMatching(/other\.example/), '']);
    else expect([0, 400, 401, 403, 404], target).toContain(status);
  }

  test.each(Object.entries(CLASSES))('%s', async (_, spellings) => {
    const { access_token: token } = await site.issue({ prefix: '/download/' });
    for (const spelling of spellings) {
      await denied(`/download/${spelling}?token=${token}`);
      await denied(`/download/~${token}/${spelling}`);
      await denied(`/download/~${token}/sub/${spelling}`);
    }
  });

  test('names that only look as if they led out get 404', async () => {
    const { access_token: token } = await site.issue({ prefix: '/download/' });
    for (const name of LEGAL) {
      expect((await ask(`/download/~${token}/${name}`)).status, name).toBe(404);
    }
  });

  test('paths beside the mount', async () => {
    const { access_token: token } = await site.issue({ prefix: '/download/' });
    for (const target of BESIDE) {
      await denied(`${target}?token=${token}`);
      await denied(target);
    }
  });
});

/** 30 parts of a path. */
const PARTS = [
  ...['a.txt', 'sub', 'sub/', 'secret.txt', 'index.html', '..a', '/'],
  ...['.', '..', './', '../', '%2e', '%2E%2e', '.%2e/', '%252e%252e', '%2f', '%5c', '\\', '//'],
  ...['%00', '%20', ' ', '?', '#', '%3f', '%23', ';', '%c0%ae', '%', '~'],
];

test('Caddy: each of 27,000 paths serves the file that the token covers, or nothing', async () => {
  const { access_token: token } = await site.issue({ prefix: '/download/sub/' });
  const paths = PARTS.flatMap((a) => PARTS.flatMap((b) => PARTS.map((c) => a + b + c)));
  expect(paths).toHaveLength(27_000);
  const wrong: string[] = [];
  let served = 0;
  async function askNext(): Promise<void> {
    const own = reconnecting(() => site.port);
    for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
      const target = `/download/~${token}/sub/${path}`;
      const { text } = await own.send(requestBytes('GET', bytes(target)));
      if (!ANY_FILE.test(text)) continue;
      served += 1;
      if (text !== ALL[`sub/${decoded(path)}`]) wrong.push(`${path}: ${text}`);
    }
    own.close();
  }
  await Promise.all(Array.from({ length: 8 }, askNext));
  expect(wrong).toEqual([]);
  expect(served).toBeGreaterThan(10);
}, 400_000);

/** What a reader of the RFC expects: the path up to the query, decoded once. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path.split('?')[0] ?? '');
  } catch {
    return '';
  }
}

test('Caddy: generated request lines get only a file that a token covers', async () => {
  const tokens = await issueTokens(site.issue);
  const seen = { requests: 0, served: 0 };
  await fc.assert(
    fc.asyncProperty(line, headers, async (text, header) => {
      const sent = header ? credential(header, tokens) : {};
      const { status, text: body } = await ask(filled(text, tokens), sent);
      seen.requests += 1;
      expect(body).not.toContain(SECRET);
      if (!body.startsWith('this is ')) return;
      seen.served += 1;
      expect(status).toBe(200);
      expect(covering(body.slice('this is '.length), text, header)).not.toEqual([]);
    }),
    { numRuns: 5000, interruptAfterTimeLimit: 30_000, markInterruptAsFailure: false },
  );
  expect(seen.requests).toBeGreaterThan(100);
  expect(seen.served).toBeGreaterThan(seen.requests / 50);
}, 60_000);
