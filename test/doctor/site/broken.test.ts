import { describe, expect, test } from 'vitest';
import { textOf } from '../../harness/paths.ts';
import {
  BEHIND,
  type BrokenSite,
  type Case,
  change,
  FRONT,
  siteToAttack,
  trap,
} from '../../support/doctor/site.ts';
import { gateSnippet, modes, type SiteMode } from '../../support/site.ts';
import { CACHE_CONF } from '../../support/snippet.ts';

const INTERNAL = 'include postern/internal.conf;';
const HEADERS = textOf('nginx/snippets/file.conf')
  .match(/^add_header .*;$/gm)
  ?.join('\n');

/** nginx's name for the variable of a header. */
const variable = (header: string) => header.toLowerCase().replaceAll('-', '_');

const asSpelt = (name: string, seen = '200 and the file') =>
  new RegExp(`^${seen}: ${name}, ${name.toLowerCase()}, ${name.replaceAll('-', '_')}$`);

/** The decisions are cached under another key. */
const keptBy = (key: string, http = ''): BrokenSite => ({
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

/** What the doctor sees is the same in both modes. */
const COMMON: Readonly<Record<string, Case>> = {
  'no ^~, and a regex location that denies': trap(
    'regex-location',
    {
      gate: 'location /download/ { include postern/protect.conf; }',
      locations: 'location ~* \\.(jpg|png)$ { deny all; }',
    },
    /^403: \.jpg, \.png$/,
  ),
  'a redirect that shows the internal prefix': trap(
    'folder-redirect',
    { edit: { internal: change('try_files $uri =404;') } },
    /\/protected\/postern-doctor\//,
  ),
  'a header twice': trap(
    'delivery-headers',
    { within: `${INTERNAL} add_header Cache-Control public; alias $files/;` },
    /cache-control twice/,
  ),
  'a browser that may keep the file longer than the token is valid': trap(
    'delivery-headers',
    { edit: { file: change('"private, $postern_keep"', '"private, max-age=60"') } },
    /^Cache-Control: private, max-age=60, not private, no-store$/,
  ),
  gzip: trap('ranges', {
    edit: { internal: change('gzip off;', 'gzip on; gzip_types *; gzip_min_length 1;') },
  }),
  'no ranges': trap('ranges', { within: `${INTERNAL} max_ranges 0; alias $files/;` }),
  'HEAD rejected': trap('ranges', {
    within: `${INTERNAL} if ($request_method = HEAD) { return 405; } alias $files/;`,
  }),
  'a balancer, and no real_ip': trap(
    'address',
    { front: FRONT },
    /^Postern sees 127\.0\.0\.1, this machine has 127\.0\.83\.1$/,
  ),
  'a second decoding after the gate': {
    broken: {
      http: `upstream origin { server unix:$dir/origin.sock; }
        server { listen unix:$dir/origin.sock; location /protected/ { alias $files/; } }`,
      within: `internal; auth_request off; ${HEADERS}
        set $postern_keep no-store; auth_request_set $postern_limit_rate ""; proxy_redirect ~.* /download/;
        proxy_pass_request_headers off; proxy_set_header Range $http_range;
        proxy_pass http://origin$uri;`,
    },
    failed: 'traversal folder-redirect',
    saw: { traversal: /^200 and the file: %252e%252e/ },
  },
  'a front that redirects a folder to another port, with the token': trap('folder-redirect', {
    server: BEHIND,
    front: `${FRONT}
      rewrite ^(/download/[^.]*[^/.])$ http://files.example:8080$1/ permanent;`,
  }),
  'a front that passes on the address that a client claims': {
    broken: { server: BEHIND, front: FRONT.replace(/proxy_set_header X-\S+ \S+/, '') },
    failed: 'address spoofed-address',
  },
};

/** Cases in the snippets of a mode. */
function casesOf(mode: SiteMode): Readonly<Record<string, Case>> {
  const asks = mode === 'auth_request' ? 'auth-request' : 'x-accel';
  /** The client's headers reach the gate, and one line of the snippet is missing. */
  const passed = (line: string) => ({
    [asks]: (text: string) =>
      text
        .replace('proxy_pass_request_headers off;', '')
        .replace(new RegExp(`proxy_set_header ${line} .*;`), ''),
  });
  return {
    'no headers': {
      broken: { edit: { internal: change(/^add_header .*;$/gm) } },
      failed:
        // With X-Accel the gate sends Set-Cookie itself.
        mode === 'auth_request' ? 'counted-reuse delivery-headers' : 'delivery-headers',
    },
    ...Object.fromEntries(
      ['X-Original-URI', 'X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Uri'].map((name) => [
        `the client's ${name}`,
        trap(
          'spoofed-headers',
          {
            http: `underscores_in_headers on;
              map $http_${variable(name)} $asked {
                default $http_${variable(name)}; "" $request_uri; }`,
            edit: { [asks]: change('X-Original-URI $request_uri', 'X-Original-URI $asked') },
          },
          asSpelt(name),
        ),
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
              ${gateSnippet(mode)}
            }`,
          },
          failed: 'spoofed-headers',
          // internal.conf does not serve what the gate has not decided on.
          saw: { 'spoofed-headers': asSpelt(name, '404') },
        },
      ]),
    ),
    // The gate no longer receives the client's cookie.
    "the client's Postern-Cookie": trap(
      'spoofed-headers',
      { edit: passed('Postern-Cookie') },
      /200 and the file: Postern-Cookie, postern-cookie/,
    ),
    "the client's Postern-Site": trap(
      'spoofed-site',
      { edit: passed('Postern-Site') },
      /Postern-Site/,
    ),
    "the client's X-Real-IP": {
      broken: { edit: passed('X-Real-IP') },
      failed: 'address spoofed-address',
      saw: { 'spoofed-address': /X-Real-IP/ },
    },
    '$host for the site': trap(
      'spoofed-site',
      { edit: { [asks]: change('Postern-Site $server_name', 'Postern-Site $host') } },
      /^200 and the file: Host$/,
    ),
    'methods that the gate allows': trap('methods', {
      edit: { [asks]: change('X-Original-Method $request_method', 'X-Original-Method GET') },
    }),
  };
}

const OF_AUTH_REQUEST: Readonly<Record<string, Case>> = {
  'no gate at all': {
    broken: { gate: 'location ^~ /download/ { alias $files/; }' },
    failed: 'no-token',
    more: true,
  },
  'denials that look like success': {
    broken: {
      gate: `location ^~ /download/ { error_page 401 =200 @ok; include postern/protect.conf; }`,
      locations: "location @ok { auth_request off; return 200 'ask us for a link'; }",
    },
    failed: 'no-token',
    more: true,
    saw: { 'no-token': /^200: GET, HEAD/ },
    words: ['--decision-ttl', '0'],
  },
  'decisions cached by URL only': {
    broken: keptBy('$request_uri'),
    failed: 'decision-cache',
  },
  'decisions cached by token only': trap(
    'other-path',
    keptBy(
      '$kept$http_authorization$cookie_postern$remote_addr',
      'map $request_uri $kept { ~token=(?<one>.*)$ $one; default $request_uri; }',
    ),
  ),
  'decisions cached under one key': { broken: keptBy('one'), failed: 'no-token', more: true },
  'cached denials': trap('decision-cache', keptFor('401 1m', /proxy_cache_key .*;/)),
  'decisions cached for a fixed time': {
    broken: keptFor('204 1m'),
    failed: 'expired-token revoked-token counted-reuse',
    words: ['--decision-ttl', '0'],
  },
  'the location that asks the gate, without internal': trap('inner-headers', {
    edit: { 'auth-request': change(/^ {4}internal;$/m) },
  }),
};

const CASES = {
  auth_request: { ...COMMON, ...casesOf('auth_request'), ...OF_AUTH_REQUEST },
  'X-Accel': {
    ...casesOf('X-Accel'),
    'headers of the gate sent to clients': trap('inner-headers', {
      edit: {
        'x-accel': (text) =>
          text.replace(/proxy_hide_header Postern-Token-Id;|proxy_intercept_errors on;/g, ''),
      },
    }),
  },
};

describe.each(modes)('doctor URL, by %s: finds the trap of a broken site, and no other', (mode) => {
  test.concurrent.for(Object.entries<Case>(CASES[mode]))(
    '%s',
    async ([, { broken, failed, more, saw = {}, fix = {}, words = [] }], { onTestFinished }) => {
      const site = await siteToAttack({ mode, ...broken }, onTestFinished);
      // The other checks do not depend on the mode, and take a second each.
      const only = mode === 'X-Accel' ? ['--only', failed.replaceAll(' ', ',')] : [];
      const seen = await site.examine(...words, ...only);
      // An effect of another finding is not tested.
      const isEffect = (id: string) =>
        /^fix [a-z-]+ first$|: see no-token$|^no internal location answers/.test(
          seen.saw[id] ?? '',
        );
      const found = Object.keys(seen.verdicts).filter(
        (id) => seen.verdicts[id] !== 'ok' && !isEffect(id),
      );
      expect(found, JSON.stringify(seen.saw, null, 1)).toEqual(
        more ? expect.arrayContaining(failed.split(' ')) : failed.split(' '),
      );
      expect(seen.code).toBe(1);
      for (const [id, text] of Object.entries(saw)) expect(seen.saw[id]).toMatch(text);
      for (const [id, text] of Object.entries(fix)) expect(seen.fix[id]).toMatch(text);
    },
  );
});
