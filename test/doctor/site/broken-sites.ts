import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../harness/paths.ts';
import type { SiteMode } from '../../support/site.ts';
import { CACHE_CONF } from '../../support/snippet.ts';
import { type BrokenSite, type Case, change, trap } from './site.ts';

const INTERNAL = 'include postern/internal.conf;';
const HEADERS = readFileSync(join(projectRoot, 'nginx/snippets/file.conf'), 'utf8')
  .match(/^add_header .*;$/gm)
  ?.join('\n');
const REGEX = 'location ~* \\.(jpg|png)$ { root $files/../static; }';
const FRONT = `
  proxy_set_header Host files.example; proxy_set_header X-Forwarded-For $remote_addr;
  location / { proxy_pass http://127.0.0.1:$port; }`;

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

/** Cases for both modes. */
function casesOfBoth(mode: SiteMode): Readonly<Record<string, Case>> {
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
    'no ^~ before the gate': trap(
      'regex-location',
      { gate: `location /download/ { ${include} }`, locations: REGEX },
      /^404: \.jpg, \.png$/,
    ),
    'no ^~, and a regex location that denies': trap(
      'regex-location',
      {
        gate: `location /download/ { ${include} }`,
        locations: 'location ~* \\.(jpg|png)$ { deny all; }',
      },
      /^403: \.jpg, \.png$/,
    ),
    'no ^~ before the internal location': trap(
      'regex-internal',
      { inner: `location /protected/ { ${INTERNAL} alias $files/; }`, locations: REGEX },
      /^405: \.jpg, \.png$/,
    ),
    'no internal': trap('internal-prefix', {
      edit: { internal: (text) => text.replace(/^internal;$/m, '').replace(/if \([^}]*\}/, '') },
    }),
    'an alias without its slash': trap(
      'alias-slash',
      { locations: 'location /static { alias $files/../static/; }' },
      /\/static\.\.\/files\/postern-doctor\/canary\.txt/,
    ),
    'the files under a root': trap('root', { server: 'root $files/..;' }),
    'a redirect that shows the internal prefix': trap(
      'folder-redirect',
      { edit: { internal: change('try_files $uri =404;') } },
      /\/protected\/postern-doctor\//,
    ),
    'no headers': {
      broken: { edit: { internal: change(/^add_header .*;$/gm) } },
      failed:
        // With X-Accel the gate sends Set-Cookie itself.
        mode === 'auth_request' ? 'counted-reuse delivery-headers' : 'delivery-headers',
    },
    'no http.conf': {
      broken: { edit: { http: change(/map "\$status \$sent_http_content_type" [^{]*\{[^}]*\}/) } },
      failed: 'delivery-headers',
      saw: { 'delivery-headers': /without Content-Security-Policy: sandbox$/ },
      fix: { 'delivery-headers': /^include postern\/http\.conf;/ },
    },
    'a header twice': trap(
      'delivery-headers',
      { within: `${INTERNAL} add_header Cache-Control public; alias $files/;` },
      /cache-control twice/,
    ),
    gzip: trap('gzip', {
      edit: { internal: change('gzip off;', 'gzip on; gzip_types *; gzip_min_length 1;') },
    }),
    'no ranges': trap('ranges', { within: `${INTERNAL} max_ranges 0; alias $files/;` }),
    'a log in the format combined': trap('access-log', {
      accessLog: 'access_log postern.log combined;',
    }),
    'a log format that hides plain tokens only': trap('access-log', {
      accessLog: `map $request $hidden {
            default $request;
            "~^(?<before>.*?)[\\w-]{30,}(?<after>.*)$" "$before***$after";
          }
          log_format hidden "$hidden";
          access_log postern.log hidden;`,
    }),
    'a second log': trap('access-log', {
      accessLog: 'access_log postern.log postern; access_log postern.log combined;',
    }),
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
              ${include}
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
    'one token of two': trap(
      'two-tokens',
      {
        http: `map $request_uri $asked {
          "~^(?<path>[^?]*[?]token=[^&]*)" $path; default $request_uri; }`,
        edit: { [asks]: change('X-Original-URI $request_uri', 'X-Original-URI $asked') },
      },
      /^200 and the file: good, bad$/,
    ),
    'HEAD rejected': trap('head', {
      within: `${INTERNAL} if ($request_method = HEAD) { return 405; } alias $files/;`,
    }),
    'a balancer, and no real_ip': trap(
      'address',
      { front: FRONT },
      /^Postern sees 127\.0\.0\.1, this machine has 127\.0\.83\.1$/,
    ),
    'real_ip from any client': trap('spoofed-address', {
      server: 'set_real_ip_from 0.0.0.0/0; real_ip_header X-Forwarded-For;',
    }),
    'a second decoding after the gate': {
      broken: {
        http: `upstream origin { server unix:$dir/origin.sock; }
          server { listen unix:$dir/origin.sock; location /protected/ { alias $files/; } }`,
        within: `internal; auth_request off; ${HEADERS}
          auth_request_set $postern_limit_rate ""; proxy_redirect ~.* /download/;
          proxy_pass_request_headers off; proxy_set_header Range $http_range;
          proxy_pass http://origin$uri;`,
      },
      failed: 'traversal folder-redirect',
      saw: { traversal: /^200 and the file: %252e%252e/ },
    },
    'a cache before the gate': {
      broken: {
        http: 'proxy_cache_path $dir/cache keys_zone=c:1m;',
        server: 'set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;',
        front: `${FRONT} proxy_cache c; proxy_cache_key $uri; proxy_cache_valid 200 1m;
          proxy_ignore_headers Cache-Control Set-Cookie X-Accel-Expires Expires;`,
      },
      failed: 'cached-delivery',
      words: ['--decision-ttl', '0'],
    },
  };
}

/** Cases for one mode only. */
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

const OF_X_ACCEL: Readonly<Record<string, Case>> = {
  'headers of the gate sent to clients': trap('inner-headers', {
    edit: {
      'x-accel': (text) =>
        ['proxy_hide_header Postern-Token-Id;', 'proxy_intercept_errors on;'].reduce(
          (edited, line) => change(line)(edited),
          text,
        ),
    },
  }),
  'a nested location': {
    broken: {
      gate: `location ^~ /download/ {
        include postern/x-accel.conf;
        location ~ ^/download/(?<below>.*\\.txt)$ { alias $files/$below; }
      }`,
    },
    failed: 'no-token',
    more: true,
  },
};

/** The cases of a mode, and the names of those of this mode only. */
export function casesOf(mode: SiteMode) {
  const own = mode === 'auth_request' ? OF_AUTH_REQUEST : OF_X_ACCEL;
  return { cases: { ...casesOfBoth(mode), ...own }, own: Object.keys(own) };
}
