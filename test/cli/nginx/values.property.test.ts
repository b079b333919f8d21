import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { commandLine } from '../../../cli/nginx/make.ts';
import { UsageError } from '../../../common/errors.ts';
import { prefixError } from '../../../service/site/path.ts';
import { testNginx } from '../../harness/nginx.ts';
import { type Directive, parseNginx } from '../../support/nginx-tree.ts';
import { mount } from '../../support/postern.ts';
import { KINDS, values } from './kinds.ts';
import { MOUNTS, printed } from './plan.ts';

/** No value may contain these; a folder may contain spaces. */
const NEVER = /["';{}$#\\`\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Lines that only some values need. */
const SOME_HAVE =
  /^(proxy_ssl_verify|proxy_ssl_verify_depth|proxy_ssl_trusted_certificate|server_names_hash_bucket_size)$/;

/** The same directives, with one word in place of another. */
function withWord(tree: readonly Directive[], from: string, to: string): readonly Directive[] {
  const all = tree.filter(({ words: [name = ''] }) => !SOME_HAVE.test(name));
  return all.map(({ words, block }) => ({
    words: words.map((word) => (word === from ? to : word)),
    ...(block && { block: withWord(block, from, to) }),
  }));
}

/** nginx tests the first accepted values. */
const ASKED = 20;

async function pass(text: string): Promise<void> {
  const { ok, output } = await testNginx(({ dir }) =>
    text.replaceAll('/var/log/nginx/', `${dir}/`).replace('listen 80;', 'listen unix:nginx.sock;'),
  );
  expect(output).not.toMatch(/\[(warn|emerg|crit|error)\]/);
  expect(ok, text).toBe(true);
}

describe.each(KINDS)('nginx $option', ({ option, give, legal, word, askable = () => true }) => {
  test('any value is written as one word, or rejected with the name of the option', async () => {
    const [benign = ''] = fc.sample(legal, { numRuns: 1, seed: 7 });
    const expected = parseNginx(printed(give(benign)));
    const accepted = new Set<string>();
    let refused = 0;
    fc.assert(
      fc.property(values(legal), (value) => {
        // Several names of one site.
        fc.pre(option !== '--server-name' || !value.includes(','));
        const options = give(value);
        let text: string;
        try {
          text = printed(options, MOUNTS, commandLine(options));
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
          const { message } = error as UsageError;
          expect(message).toContain(`  ${option}\n`);
          expect(message).toMatch(/\n {4}expected: ./);
          expect(message.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
          refused += 1;
          return;
        }
        expect(value).not.toMatch(NEVER);
        const tree = withWord(parseNginx(text), '', '');
        expect(tree).toEqual(withWord(expected, word(benign), word(value)));
        accepted.add(value);
      }),
      { numRuns: 1000 },
    );
    expect(accepted.size).toBeGreaterThan(150);
    expect(refused).toBeGreaterThan(150);
    const asked = [...accepted].filter(askable).slice(0, ASKED);
    for (const value of asked) await pass(printed(give(value)));
  });

  test('accepts each intended value', () => {
    fc.assert(
      fc.property(legal, (value) => void printed(give(value))),
      { numRuns: 300 },
    );
  });
});

/** Everything that a mount may contain: all but control characters and backslashes. */
const segment = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...'"\';{}$#~^*?+|()[]<>% =&é日a.', `$\{uri}`, '\u2028', '{ return 200; }'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
  minLength: 1,
  maxLength: 12,
});
const prefix = fc
  .array(segment, { minLength: 1, maxLength: 3 })
  .map((names) => `/${names.join('/')}/`)
  .filter((path) => prefixError(path) === undefined);

test('nginx: any prefix of a mount is written as the prefix of a location', async () => {
  const expected = parseNginx(printed({}, [mount('/PUBLIC/', '/INTERNAL/')]));
  const texts: string[] = [];
  fc.assert(
    fc.property(prefix, prefix, (a, b) => {
      fc.pre(!a.startsWith(b) && !b.startsWith(a));
      const text = printed({}, [mount(a, b)]);
      const tree = withWord(withWord(expected, '/PUBLIC/', a), '/INTERNAL/', b);
      expect(parseNginx(text)).toEqual(tree);
      texts.push(text);
    }),
    { numRuns: 1000 },
  );
  for (const text of texts.slice(0, 2 * ASKED)) await pass(text);
});

test('nginx: rejects a prefix only if it is too long for nginx', async () => {
  const long = (sign: string, bytes: number) => `/${sign.repeat(bytes)}/`;
  expect(() => printed({}, [mount(long('"', 2040), '/protected/')])).toThrow(UsageError);
  await pass(printed({}, [mount(long('"', 1990), '/protected/')]));
  await pass(printed({}, [mount(long('x', 2040), '/protected/')]));
});
