import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from '../../../../cli/doctor/config/parse.ts';
import { startNginx, testNginx } from '../../../../dev/nginx.ts';
import { requestBytes, sendRaw } from '../../../support/raw.ts';

// nginx itself decides what a word is: each text is in `return 200 …;`, and the response of nginx must be the
// word that the parser reads.

const parts = fc.constantFrom(
  'a',
  'b',
  '"',
  "'",
  '\\',
  '{',
  '}',
  ';',
  '#',
  ' ',
  '\t',
  '\n',
  '\\n',
  '\\.',
);
const texts = fc.sample(
  fc.array(parts, { minLength: 1, maxLength: 7 }).map((all) => all.join('')),
  { seed: 7, numRuns: 400 },
);

function isRead(text: string): boolean {
  try {
    parse(around(text, 0), 'a.conf');
    return true;
  } catch {
    return false;
  }
}

/** The text as one word; undefined if it is not exactly one. */
function wordOf(text: string): string | undefined {
  if (!isRead(text)) return undefined;
  const [location, ...more] = parse(around(text, 0), 'a.conf');
  const [directive, ...others] = location?.block ?? [];
  const { name, args = [], block } = directive ?? {};
  const isOne = more.length === 0 && others.length === 0 && block === undefined;
  return isOne && name === 'return' && args.length === 2 ? args[1] : undefined;
}

function around(text: string, index: number): string {
  return `location = /${index} { return 200 ${text}; }`;
}

test('parse: reads the same words as nginx', async () => {
  const good = [...new Set(texts)].filter((text) => wordOf(text) !== undefined);
  expect(good.length).toBeGreaterThan(40);
  const nginx = await startNginx({
    config: ({ port }) => `server { listen 127.0.0.1:${port};\n${good.map(around).join('\n')}\n}`,
  });
  onTestFinished(nginx.stop);
  const answers = await Promise.all(
    good.map(async (_, index) => {
      const target = `/${index}`;
      return (await sendRaw(nginx.port, requestBytes('GET', target), 'GET')).text;
    }),
  );
  expect(answers).toEqual(good.map(wordOf));
});

test('parse: rejects only what nginx rejects', async () => {
  const bad = [...new Set(texts)].filter((text) => !isRead(text)).slice(0, 60);
  expect(bad.length).toBe(60);
  for (const text of bad) {
    const { ok } = await testNginx(() => `server { listen unix:x.sock;\n${around(text, 0)}\n}`);
    expect([ok, text]).toEqual([false, text]);
  }
});
