import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { commandLine } from '../../../cli/nginx/make.ts';
import type { NginxOptions } from '../../../cli/nginx/plan.ts';
import { UsageError } from '../../../common/errors.ts';
import { prefixError } from '../../../service/paths/path.ts';
import { MOUNTS, type Parsed, parseNginx, passes, printed } from '../../support/cli/machine.ts';
import { isRoot } from '../../support/need-root.ts';
import { mount } from '../../support/postern.ts';

/** A kind of value that an option takes, and the word that nginx must read of it. */
interface Kind {
  readonly option: string;
  readonly give: (value: string) => Partial<NginxOptions>;
  /** Legal values to start from. */
  readonly legal: fc.Arbitrary<string>;
  /** Default: the value. */
  readonly word?: (value: string) => string;
  /** Whether `nginx -t` can be asked here: it looks names up, opens logs and binds to addresses. */
  readonly askable?: (value: string) => boolean;
}

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,12}[a-z0-9]$/);
const host = fc.oneof(
  fc.ipV4(),
  // As in RFC 5952: nginx does not accept every spelling.
  fc.ipV6().map((one) => new URL(`http://[${one}]`).hostname),
  fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('.')),
);
const port = fc.integer({ min: 1, max: 65_535 }).map(String);
const address = fc.tuple(host, port).map((parts) => parts.join(':'));
const path = fc
  .array(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,10}$/), { minLength: 1, maxLength: 5 })
  .map((names) => `/${names.join('/')}`);
const socket = path.map((one) => `unix:${one}`);
const folder = fc
  .array(
    fc.string({ unit: fc.constantFrom(...'abcÄß日ё 09._+@,~-'), minLength: 1, maxLength: 12 }),
    { minLength: 1, maxLength: 5 },
  )
  .filter((names) => names.every((one) => !/^\.+$/.test(one)))
  .map((names) => `/${names.join('/')}`);
const url = fc
  .tuple(fc.constantFrom('http', 'https'), host, path)
  .map(([s, h, p]) => `${s}://${h}${p}`);

/** Whether a URL has no name that nginx would look up, and needs no certificate's file that is not everywhere. */
const isNumeric = (url: string) => /^(http:\/\/)?([\d.]+|\[[\da-f:.]+\])(:\d+)?(\/|$)/.test(url);

/** As in render.ts: a long origin is a regular expression. */
const originKey = (origin: string) =>
  origin.length <= 40 ? origin : `~^${origin.replace(/[.[\]]/g, '\\$&')}$`;

const slashed = (value: string) => `${value.replace(/\/$/, '')}/`;
const certificate = { tlsCertificate: '/certificate.pem', tlsKey: '/key.pem' };

const KINDS: readonly Kind[] = [
  { option: '--files', give: (value) => ({ files: [value] }), legal: folder, word: slashed },
  {
    option: '--proxy-target',
    give: (value) => ({ files: [], proxyTarget: [value] }),
    legal: url,
    word: slashed,
    askable: isNumeric,
  },
  {
    option: '--upstream',
    give: (value) => ({ upstream: [value, '127.0.0.1:1'] }),
    legal: fc.oneof(address, socket),
    askable: (value) => value.startsWith('unix:') || isNumeric(value),
  },
  {
    option: '--listen',
    give: (value) => ({ listen: [value] }),
    legal: fc.oneof(
      port,
      fc.tuple(fc.ipV4(), port).map((parts) => parts.join(':')),
      port.map((one) => `[::]:${one}`),
      socket,
    ),
    // An ordinary user may not bind to the lower ports.
    askable: (value) => /^\d+$/.test(value) && (isRoot || Number(value) >= 1024),
  },
  {
    option: '--server-name',
    give: (value) => ({ serverName: [value] }),
    legal: fc
      .tuple(fc.constantFrom('', '*.'), fc.array(name, { minLength: 1, maxLength: 6 }))
      .map(([star, names]) => star + names.join('.')),
    word: (value) => value.toLowerCase(),
  },
  {
    option: '--cors',
    give: (value) => ({ cors: [value] }),
    legal: fc
      .tuple(fc.constantFrom('http', 'https'), host, fc.constantFrom('', ':8443'))
      .map(([scheme, at, colon]) => `${scheme}://${at}${colon}`)
      .filter((one) => URL.canParse(one))
      .map((one) => new URL(one).origin),
    word: originKey,
  },
  {
    option: '--login',
    give: (login) => ({ login }),
    legal: fc.oneof(
      path,
      url,
      url.map((one) => `${one}?a=b&next=`),
    ),
    word: (value) => {
      const more = value.endsWith('=') ? '' : `${value.includes('?') ? '&' : '?'}return=`;
      return `${value}${more}$postern_return`;
    },
  },
  { option: '--limit-conn', give: (limitConn) => ({ limitConn }), legal: port },
  ...Object.entries<Kind['give']>({
    '--cache': (cache) => ({ cache }),
    '--tls-certificate': (tlsCertificate) => ({ ...certificate, tlsCertificate }),
    '--tls-key': (tlsKey) => ({ ...certificate, tlsKey }),
    '--log': (log) => ({ log }),
  }).map(([option, give]) => ({ option, give, legal: path, askable: () => false })),
];

/** Characters that can end a word, a directive or a block, or that nginx reads as something else. */
const HOSTILE = [
  ...'"\';{}$#\\\n\r\t\0\u0085\u2028\u202e`|<\ud800',
  ...['${', '}\n', '";', "';", '; return 200;', '\\"', '\n}', '$uri', '%00', '%0a'],
];

/** Legal values, which are intended, legal values with hostile text inside, and invalid values. */
function values(legal: fc.Arbitrary<string>) {
  const broken = fc.tuple(legal, fc.constantFrom(...HOSTILE), fc.nat()).map(([value, sign, at]) => {
    const place = at % (value.length + 1);
    return value.slice(0, place) + sign + value.slice(place);
  });
  const rubbish = fc.string({ unit: fc.constantFrom(...HOSTILE, ...'/:.-_ =~*?a0[]%@+,é') });
  return fc.oneof(
    { weight: 3, arbitrary: fc.tuple(legal, fc.constant(true)) },
    { weight: 3, arbitrary: fc.tuple(broken, fc.constant(false)) },
    fc.tuple(rubbish, fc.constant(false)),
  );
}

/** No value may contain these; a folder may contain spaces. */
const NEVER = /["';{}$#\\`\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Lines that only some values need. */
const SOME_HAVE =
  /^(proxy_ssl_verify|proxy_ssl_verify_depth|proxy_ssl_trusted_certificate|server_names_hash_bucket_size)$/;

/** The same directives, with one word in place of another. */
function withWord(tree: readonly Parsed[], from: string, to: string): readonly Parsed[] {
  const all = tree.filter(({ words: [name = ''] }) => !SOME_HAVE.test(name));
  return all.map(({ words, block }) => ({
    words: words.map((word) => (word === from ? to : word)),
    ...(block && { block: withWord(block, from, to) }),
  }));
}

/** nginx tests the first intended values. */
const ASKED = 8;

describe.each(KINDS)('nginx $option', (kind) => {
  const { option, give, legal, word = (value) => value, askable = () => true } = kind;

  test('any value is written as one word, or rejected with the name of the option if it is not intended', async () => {
    const [benign = ''] = fc.sample(legal, { numRuns: 1, seed: 7 });
    const expected = parseNginx(printed(give(benign)));
    const accepted = new Set<string>();
    const intended = new Set<string>();
    let refused = 0;
    fc.assert(
      fc.property(values(legal), ([value, isIntended]) => {
        // Several names of one site.
        fc.pre(option !== '--server-name' || !value.includes(','));
        const options = give(value);
        let text: string;
        try {
          text = printed(options, MOUNTS, commandLine(options, {}, {}));
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
          expect(isIntended).toBe(false);
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
        if (isIntended) intended.add(value);
      }),
      { numRuns: 1000 },
    );
    expect(accepted.size).toBeGreaterThan(150);
    expect(refused).toBeGreaterThan(150);
    const asked = [...intended].filter(askable).slice(0, ASKED);
    await Promise.all(asked.map((value) => passes(printed(give(value)))));
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
  await Promise.all(texts.slice(0, ASKED).map(passes));
});
