import fc from 'fast-check';
import type { NginxOptions } from '../../../cli/nginx/plan.ts';
import { isRoot } from '../../support/need-root.ts';

/** A kind of value that an option takes, and the word that nginx must read of it. */
export interface Kind {
  readonly option: string;
  readonly give: (value: string) => Partial<NginxOptions>;
  /** Legal values to start from. */
  readonly legal: fc.Arbitrary<string>;
  readonly word: (value: string) => string;
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

/** Without a name that nginx would look up, and without a certificate's file that is not everywhere. */
const isNumeric = (url: string) => /^(http:\/\/)?([\d.]+|\[[\da-f:.]+\])(:\d+)?(\/|$)/.test(url);

/** As in render.ts: a long origin is a regular expression. */
const originKey = (origin: string) =>
  origin.length <= 40 ? origin : `~^${origin.replace(/[.[\]]/g, '\\$&')}$`;

export const KINDS: readonly Kind[] = [
  {
    option: '--files',
    give: (value) => ({ files: [value] }),
    legal: folder,
    word: (value) => `${value.replace(/\/$/, '')}/`,
  },
  {
    option: '--proxy-target',
    give: (value) => ({ files: [], proxyTarget: [value] }),
    legal: url,
    word: (value) => `${value.replace(/\/$/, '')}/`,
    askable: isNumeric,
  },
  {
    option: '--upstream',
    give: (value) => ({ upstream: [value] }),
    legal: fc.oneof(
      address,
      path.map((one) => `unix:${one}`),
    ),
    word: (value) => value,
    askable: (value) => value.startsWith('unix:') || isNumeric(value),
  },
  {
    option: '--listen',
    give: (value) => ({ listen: [value] }),
    legal: fc.oneof(
      port,
      fc.tuple(fc.ipV4(), port).map((parts) => parts.join(':')),
      port.map((one) => `[::]:${one}`),
      path.map((one) => `unix:${one}`),
    ),
    word: (value) => value,
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
    give: (value) => ({ login: value }),
    legal: fc.oneof(
      path,
      url,
      url.map((one) => `${one}?a=b&next=`),
    ),
    word: (value) => {
      const page = value.endsWith('=')
        ? value
        : `${value}${value.includes('?') ? '&' : '?'}return=`;
      return `${page}$postern_return`;
    },
  },
  {
    option: '--limit-conn',
    give: (value) => ({ limitConn: value }),
    legal: port,
    word: (value) => value,
  },
  {
    option: '--cache',
    give: (value) => ({ cache: value }),
    legal: path,
    word: (value) => value,
    askable: () => false,
  },
  {
    option: '--tls-certificate',
    give: (value) => ({ tlsCertificate: value, tlsKey: '/key.pem' }),
    legal: path,
    word: (value) => value,
    askable: () => false,
  },
  {
    option: '--tls-key',
    give: (value) => ({ tlsCertificate: '/certificate.pem', tlsKey: value }),
    legal: path,
    word: (value) => value,
    askable: () => false,
  },
  {
    option: '--log',
    give: (value) => ({ log: value }),
    legal: path,
    word: (value) => value,
    askable: () => false,
  },
];

/** Characters that can end a word, a directive or a block, or that nginx reads as something else. */
export const HOSTILE = [
  ...[
    '"',
    "'",
    ';',
    '{',
    '}',
    '$',
    '#',
    '\\',
    '\n',
    '\r',
    '\t',
    '\0',
    '\u0085',
    '\u2028',
    '\u202e',
  ],
  ...[
    '${',
    '}\n',
    '";',
    "';",
    '; return 200;',
    '\\"',
    '\n}',
    '$uri',
    '%00',
    '%0a',
    '`',
    '|',
    '<',
    '\ud800',
  ],
];

/** Legal values, legal values with hostile text inside, and invalid values. */
export function values(legal: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const broken = fc.tuple(legal, fc.constantFrom(...HOSTILE), fc.nat()).map(([value, sign, at]) => {
    const place = at % (value.length + 1);
    return value.slice(0, place) + sign + value.slice(place);
  });
  const rubbish = fc.string({ unit: fc.constantFrom(...HOSTILE, ...'/:.-_ =~*?a0[]%@+,é') });
  return fc.oneof({ weight: 3, arbitrary: legal }, { weight: 3, arbitrary: broken }, rubbish);
}
