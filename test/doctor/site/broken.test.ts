import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../../harness/paths.ts';
import { modes, type SiteMode } from '../../support/site.ts';
import { CACHE_CONF } from '../../support/snippet.ts';
import { type BrokenSite, siteToAttack } from './site.ts';

type Broken = Omit<BrokenSite, 'mode'>;

const INTERNAL = 'include postern/internal.conf;';
const HEADERS = readFileSync(join(projectRoot, 'nginx/snippets/file.conf'), 'utf8')
  .match(/^add_header .*;$/gm)
  ?.join('\n');
const REGEX = 'location ~* \\.(jpg|png)$ { root $files/../static; }';
const CACHE = 'proxy_cache_path $dir/cache keys_zone=c:1m;';
const REAL_IP = 'set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;';
const FRONT = `
  proxy_set_header Host files.example; proxy_set_header X-Forwarded-For $remote_addr;
  location / { proxy_pass http://127.0.0.1:$port; }`;

/** Replaces in a snippet. */
const change =
  (from: string | RegExp, to = '') =>
  (text: string) =>
    text.replace(from, to);

/** nginx's name for the variable of a header. */
const variable = (header: string) => header.toLowerCase().replaceAll('-', '_');

const asSpelt = (name: string, seen = '200 and the file') =>
  new RegExp(`^${seen}: ${name}, ${name.toLowerCase()}, ${name.replaceAll('-', '_')}$`);

/** The decisions are cached under another key. */
const keptBy = (key: string, http = ''): Broken => ({
  decisionTtl: 5,
  http: `${CACHE_CONF} ${http}`,
  edit: { 'auth-request': change(/proxy_cache_key .*;/, `proxy_cache_key "${key}";`) },
});

/** The decisions are cached for a time that the gate does not choose. */
const keptFor = (valid: string, key: RegExp | string = '') => ({
  http: CACHE_CONF,
  edit: {
    'auth-request': (text: string) =>
      text
        .replace('proxy_ignore_headers', 'proxy_ignore_headers X-Accel-Expires')
        .replace('proxy_cache_valid 204 0s;', `proxy_cache_valid ${valid};`)
        .replace('proxy_no_cache $postern_not_kept;', '')
        .replace(key, 'proxy_cache_key $request_uri;'),
  },
});

interface Case {
  readonly broken: Broken;
  /** Exactly these checks fail, */
  readonly failed: readonly string[];
  /** or at least these. */
  readonly more?: true;
  readonly saw?: Readonly<Record<string, RegExp>>;
  readonly fix?: Readonly<Record<string, RegExp>>;
  readonly words?: readonly string[];
}

/** Cases for both modes. */
function cases(mode: SiteMode): Readonly<Record<string, Case>> {
  const asks = mode === 'auth_request' ? 'auth-request' : 'x-accel';
  const include = `include postern/${mode === 'auth_request' ? 'protect' : 'x-accel'}.conf;`;
  /** The client's headers reach the gate, and one line of the snippet is missing. */
  const passed = (line: string) => ({
    [asks]: (text: string) =>
      text
        .replace('proxy_pass_request_headers off;', '')
        .replace(new RegExp(`proxy_set_header ${line} .*;`), ''),
  });
  return {
    'no ^~ before the gate': {
      broken: { gate: `location /download/ { ${include} }`, locations: REGEX },
      failed: ['regex-location'],
      saw: { 'regex-location': /^404: \.jpg, \.png$/ },
    },
    'no ^~, and a regex location that denies': {
      broken: {
        gate: `location /download/ { ${include} }`,
        locations: 'location ~* \\.(jpg|png)$ { deny all; }',
      },
      failed: ['regex-location'],
      saw: { 'regex-location': /^403: \.jpg, \.png$/ },
    },
    'no ^~ before the internal location': {
      broken: {
        inner: `location /protected/ { ${INTERNAL} alias $files/; }`,
        locations: REGEX,
      },
      failed: ['regex-internal'],
      saw: { 'regex-internal': /^405: \.jpg, \.png$/ },
    },
    'no internal': {
      broken: {
        edit: { internal: (text) => text.replace(/^internal;$/m, '').replace(/if \([^}]*\}/, '') },
      },
      failed: ['internal-prefix'],
    },
    'an alias without its slash': {
      broken: { locations: 'location /static { alias $files/../static/; }' },
      failed: ['alias-slash'],
      saw: { 'alias-slash': /\/static\.\.\/files\/postern-doctor\/canary\.txt/ },
    },
    'the files under a root': {
      broken: { server: 'root $files/..;' },
      failed: ['root'],
    },
    'a redirect that shows the internal prefix': {
      broken: { edit: { internal: change('try_files $uri =404;') } },
      failed: ['folder-redirect'],
      saw: { 'folder-redirect': /\/protected\/postern-doctor\// },
    },
    'no headers': {
      broken: { edit: { internal: change(/^add_header .*;$/gm) } },
      failed:
        // With X-Accel the gate sends Set-Cookie itself.
        mode === 'auth_request' ? ['counted-reuse', 'delivery-headers'] : ['delivery-headers'],
    },
    'no http.conf': {
      broken: { edit: { http: change(/map "\$status \$sent_http_content_type" [^{]*\{[^}]*\}/) } },
      failed: ['delivery-headers'],
      saw: { 'delivery-headers': /without Content-Security-Policy: sandbox$/ },
      fix: { 'delivery-headers': /^include postern\/http\.conf;/ },
    },
    'a header twice': {
      broken: { within: `${INTERNAL} add_header Cache-Control public; alias $files/;` },
      failed: ['delivery-headers'],
      saw: { 'delivery-headers': /cache-control twice/ },
    },
    gzip: {
      broken: {
        edit: { internal: change('gzip off;', 'gzip on; gzip_types *; gzip_min_length 1;') },
      },
      failed: ['gzip'],
    },
    'no ranges': {
      broken: { within: `${INTERNAL} max_ranges 0; alias $files/;` },
      failed: ['ranges'],
    },
    'a log in the format combined': {
      broken: { accessLog: 'access_log postern.log combined;' },
      failed: ['access-log'],
    },
    'a log format that hides plain tokens only': {
      broken: {
        accessLog: `map $request $hidden {
            default $request;
            "~^(?<before>.*?)[\\w-]{30,}(?<after>.*)$" "$before***$after";
          }
          log_format hidden "$hidden";
          access_log postern.log hidden;`,
      },
      failed: ['access-log'],
    },
    'a second log': {
      broken: { accessLog: 'access_log postern.log postern; access_log postern.log combined;' },
      failed: ['access-log'],
    },
    ...Object.fromEntries(
      ['X-Original-URI', 'X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Uri'].map((name) => [
        `the client's ${name}`,
        {
          broken: {
            http: `underscores_in_headers on;
              map $http_${variable(name)} $asked {
                default $http_${variable(name)}; "" $request_uri; }`,
            edit: { [asks]: change('X-Original-URI $request_uri', 'X-Original-URI $asked') },
          },
          failed: ['spoofed-headers'],
          saw: { 'spoofed-headers': asSpelt(name) },
        },
      ]),
    ),
    ...Object.fromEntries(
      ['Postern-Target', 'X-Accel-Redirect'].map((name) => [
        `the client's ${name}`,
        {
          broken: {
            server: 'underscores_in_headers on;',
            gate: `location ^~ /download/ {
              if ($http_${variable(name)}) { rewrite ^ $http_${variable(name)} last; }
              ${include}
            }`,
          },
          failed: ['spoofed-headers'],
          // internal.conf does not serve what the gate has not decided on.
          saw: { 'spoofed-headers': asSpelt(name, '404') },
        },
      ]),
    ),
    "the client's Postern-Cookie": {
      broken: { edit: passed('Postern-Cookie') },
      // The gate no longer receives the client's cookie.
      failed: ['spoofed-headers'],
      saw: { 'spoofed-headers': /200 and the file: Postern-Cookie, postern-cookie/ },
    },
    "the client's Postern-Site": {
      broken: { edit: passed('Postern-Site') },
      failed: ['spoofed-site'],
      saw: { 'spoofed-site': /Postern-Site/ },
    },
    "the client's X-Real-IP": {
      broken: { edit: passed('X-Real-IP') },
      failed: ['address', 'spoofed-address'],
      saw: { 'spoofed-address': /X-Real-IP/ },
    },
    '$host for the site': {
      broken: { edit: { [asks]: change('Postern-Site $server_name', 'Postern-Site $host') } },
      failed: ['spoofed-site'],
      saw: { 'spoofed-site': /^200 and the file: Host$/ },
    },
    'methods that the gate allows': {
      broken: {
        edit: { [asks]: change('X-Original-Method $request_method', 'X-Original-Method GET') },
      },
      failed: ['methods'],
    },
    'one token of two': {
      broken: {
        http: `map $request_uri $asked {
          "~^(?<path>[^?]*[?]token=[^&]*)" $path; default $request_uri; }`,
        edit: { [asks]: change('X-Original-URI $request_uri', 'X-Original-URI $asked') },
      },
      failed: ['two-tokens'],
      saw: { 'two-tokens': /^200 and the file: good, bad$/ },
    },
    'HEAD rejected': {
      broken: { within: `${INTERNAL} if ($request_method = HEAD) { return 405; } alias $files/;` },
      failed: ['head'],
    },
    'a balancer, and no real_ip': {
      broken: { front: FRONT },
      failed: ['address'],
      saw: { address: /^Postern sees 127\.0\.0\.1, this machine has 127\.0\.83\.1$/ },
    },
    'real_ip from any client': {
      broken: { server: 'set_real_ip_from 0.0.0.0/0; real_ip_header X-Forwarded-For;' },
      failed: ['spoofed-address'],
    },
    'a second decoding after the gate': {
      broken: {
        http: `upstream origin { server unix:$dir/origin.sock; }
          server { listen unix:$dir/origin.sock; location /protected/ { alias $files/; } }`,
        within: `internal; auth_request off; ${HEADERS}
          auth_request_set $postern_limit_rate ""; proxy_redirect ~.* /download/;
          proxy_pass_request_headers off; proxy_set_header Range $http_range;
          proxy_pass http://origin$uri;`,
      },
      failed: ['traversal', 'folder-redirect'],
      saw: { traversal: /^200 and the file: %252e%252e/ },
    },
    'a cache before the gate': {
      broken: {
        http: CACHE,
        server: REAL_IP,
        front: `${FRONT} proxy_cache c; proxy_cache_key $uri; proxy_cache_valid 200 1m;
          proxy_ignore_headers Cache-Control Set-Cookie X-Accel-Expires Expires;`,
      },
      failed: [
        'no-token',
        'wrong-token',
        'expired-token',
        'revoked-token',
        'other-path',
        'traversal',
        'two-tokens',
        'spoofed-headers',
        'spoofed-site',
        'decision-cache',
        'counted-reuse',
        'cached-delivery',
        'address',
        'spoofed-address',
      ],
      words: ['--decision-ttl', '0'],
    },
  };
}

const WIDE_OPEN = [
  'no-token',
  'wrong-token',
  'expired-token',
  'revoked-token',
  'other-path',
  'regex-location',
  'decision-cache',
];

/** Cases for one mode only. */
const OF_AUTH_REQUEST: Readonly<Record<string, Case>> = {
  'no gate at all': {
    broken: { gate: 'location ^~ /download/ { alias $files/; }' },
    failed: WIDE_OPEN,
    more: true,
  },
  'denials that look like success': {
    broken: {
      gate: `location ^~ /download/ { error_page 401 =200 @ok; include postern/protect.conf; }`,
      locations: "location @ok { auth_request off; return 200 'ask us for a link'; }",
    },
    failed: ['no-token', 'wrong-token', 'expired-token', 'revoked-token', 'regex-location'],
    more: true,
    saw: { 'no-token': /^200: GET, HEAD/ },
    words: ['--decision-ttl', '0'],
  },
  'decisions cached by URL only': {
    broken: keptBy('$request_uri'),
    // A decision cached for a token in a header opens the URL without a token.
    failed: ['decision-cache', 'cached-delivery'],
  },
  'decisions cached by token only': {
    broken: keptBy(
      '$kept$http_authorization$cookie_postern$remote_addr',
      'map $request_uri $kept { ~token=(?<one>.*)$ $one; default $request_uri; }',
    ),
    failed: ['other-path'],
  },
  'decisions cached under one key': {
    broken: keptBy('one'),
    failed: WIDE_OPEN,
    more: true,
  },
  'cached denials': {
    broken: keptFor('401 1m', /proxy_cache_key .*;/),
    failed: ['decision-cache'],
  },
  'decisions cached for a fixed time': {
    broken: keptFor('204 1m'),
    failed: ['expired-token', 'revoked-token', 'counted-reuse'],
    words: ['--decision-ttl', '0'],
  },
  'the location that asks the gate, without internal': {
    broken: { edit: { 'auth-request': change(/^ {4}internal;$/m) } },
    failed: ['inner-headers'],
  },
};

const OF_X_ACCEL: Readonly<Record<string, Case>> = {
  'headers of the gate sent to clients': {
    broken: {
      edit: {
        'x-accel': (text) =>
          ['proxy_hide_header Postern-Token-Id;', 'proxy_intercept_errors on;'].reduce(
            (edited, line) => change(line)(edited),
            text,
          ),
      },
    },
    failed: ['inner-headers'],
  },
  'a nested location': {
    broken: {
      gate: `location ^~ /download/ {
        include postern/x-accel.conf;
        location ~ ^/download/(?<below>.*\\.txt)$ { alias $files/$below; }
      }`,
    },
    failed: ['no-token', 'wrong-token', 'other-path'],
    more: true,
  },
};

describe.each(modes)('doctor URL, by %s: finds the trap of a broken site, and no other', (mode) => {
  const own = mode === 'auth_request' ? OF_AUTH_REQUEST : OF_X_ACCEL;
  test.concurrent.for(Object.entries({ ...cases(mode), ...own }))(
    '%s',
    { timeout: 60_000 },
    async (
      [name, { broken, failed, more, saw = {}, fix = {}, words = [] }],
      { onTestFinished },
    ) => {
      const site = await siteToAttack({ mode, ...broken }, onTestFinished);
      const log = `${site.nginx.dir}/postern.log`;
      // The other checks do not depend on the mode, and take a second each.
      const only = mode === 'auth_request' || name in own ? [] : ['--only', failed.join(',')];
      const seen = await site.examine('--access-log', log, ...words, ...only);
      const found = Object.keys(seen.verdicts).filter((id) => seen.verdicts[id] !== 'ok');
      expect(found, JSON.stringify(seen.saw, null, 1)).toEqual(
        more ? expect.arrayContaining([...failed]) : failed,
      );
      expect(seen.code).toBe(1);
      for (const [id, text] of Object.entries(saw)) expect(seen.saw[id]).toMatch(text);
      for (const [id, text] of Object.entries(fix)) expect(seen.fix[id]).toMatch(text);
    },
  );
});
