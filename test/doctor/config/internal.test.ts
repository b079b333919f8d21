import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { projectRoot } from '../../harness/paths.ts';
import { listening } from '../../support/postern.ts';
import { edit, FILE, get, header, type Trap, testTraps, urlOf, withToken } from './trap.ts';

// Traps at the internal location and its files: each one is shown on nginx, found, and fixed.

const GATE = 'location ^~ /download/ { include postern/protect.conf; }';
const INTERNAL = 'include postern/internal.conf;';
const CACHE = 'add_header Cache-Control "private, no-store" always;';
const inside = (inner: string) => `${GATE}\nlocation ^~ /protected/ {\n${inner}\n}`;
const MISSING = ['missing-snippet: location ^~ /protected/ {'];
const EDITED = ['edited-snippet'];
const A = '/download/a.txt';

/** A page of the site that includes a file by SSI. */
const PAGE = {
  files: { '../www/page.html': '[<!--#include virtual="/protected/a.txt" -->]' },
  locations: 'location / { ssi on; root $files/../www; }',
};
const hasFile: Trap['ask'] = async (site) => String(await get('/page.html')(site)).includes(FILE);

const HSTS = 'add_header Strict-Transport-Security max-age=9 always;';

testTraps({
  'an alias that is off by a slash': {
    found: ['alias-slash: location /static {'],
    broken: { locations: 'location /static {\nalias $files/../www/;\n}' },
    fixed: { locations: 'location /static/ { alias $files/../www/; }' },
    ask: get('/static../files/a.txt'),
    sees: [FILE, 404],
  },
  'an alias of the internal location without its slash': {
    found: ['alias-slash: alias $files;'],
    broken: { only: inside(`${INTERNAL}\nalias $files;`) },
    ask: withToken(A),
    sees: [404, FILE],
  },
  'an internal location without its snippet': {
    found: MISSING,
    broken: {
      only: inside(`${CACHE}\nadd_header Set-Cookie $postern_set_cookie;\nalias $files/;`),
    },
    ask: get('/protected/a.txt'),
    sees: [FILE, 404],
  },
  'an internal location without any line of its snippets': {
    found: ['missing-snippet: server {'],
    broken: { only: inside('alias $files/;') },
    ask: get('/protected/a.txt'),
    sees: [FILE, 404],
  },
  'an internal location that is only `internal`': {
    found: MISSING,
    both: PAGE,
    broken: { only: inside('internal; alias $files/;') },
    ask: hasFile,
    sees: [true, false],
  },
  'an internal location that does not compare the target': {
    found: EDITED,
    both: PAGE,
    broken: { edits: [edit('file', /if \(\$postern_decided[^}]*}/)] },
    ask: hasFile,
    sees: [true, false],
  },
  'an if in the internal location: folders show its prefix': {
    found: ['internal-rewrite: if ($arg_y'],
    broken: { only: inside(`${INTERNAL} alias $files/;\nif ($arg_y = "") { set $y 1; }`) },
    async ask(site) {
      const { status, header } = await site.ask('GET', `${await urlOf(site, '/download/')}sub`);
      return [status, header('Location')?.replace(/^http:\/\/[^/]*/, '')];
    },
    sees: [
      [301, '/protected/sub/'],
      [404, undefined],
    ],
  },
  'a rewrite in the internal location: another file than the allowed one': {
    found: ['internal-rewrite: rewrite a.txt$ /protected/b.txt'],
    both: { files: { '../protected/a.txt': FILE, '../protected/b.txt': 'file b' } },
    broken: {
      // With an alias it would be a 500.
      only: inside(`${INTERNAL} root $files/..;\nrewrite a.txt$ /protected/b.txt break;`),
    },
    ask: withToken(A),
    sees: ['file b', FILE],
  },
  'SSI in the internal location': {
    found: EDITED,
    both: { files: { 'page.html': '[<!--#echo var="request_method" -->]' }, server: 'ssi on;' },
    broken: { edits: [edit('file', 'ssi off;')] },
    ask: withToken('/download/page.html'),
    sees: ['[GET]', '[<!--#echo var="request_method" -->]'],
  },
  'gzip_static in the internal location': {
    found: EDITED,
    both: { files: { 'a.txt.gz': 'the sibling' }, server: 'gzip_static always;' },
    broken: { edits: [edit('internal', 'gzip_static off;')] },
    ask: withToken(A),
    sees: ['the sibling', FILE],
  },
  'gzip and autoindex in the internal location': {
    found: [...EDITED, ...EDITED],
    both: { server: 'autoindex on;\ngzip on; gzip_types *; gzip_min_length 1;' },
    broken: {
      edits: [
        edit('internal', 'autoindex off;'),
        edit('file', 'gzip off;'),
        edit('internal', 'try_files $uri =404;'),
      ],
    },
    async ask(site) {
      const url = await urlOf(site, '/download/');
      const { header } = await site.ask('GET', `${url}a.txt`, { 'Accept-Encoding': 'gzip' });
      return [await get(`${url}sub`)(site), header('Content-Encoding')];
    },
    sees: [
      [301, 'gzip'],
      [404, undefined],
    ],
  },
  'no Cache-Control on a delivered file': {
    found: EDITED,
    broken: { edits: [edit('file', CACHE)] },
    ask: header('Cache-Control'),
    sees: [undefined, 'private, no-store'],
  },
  'a header of the server block that is not sent with files': {
    found: ['add-header: add_header Strict-Transport-Security'],
    both: { server: HSTS },
    broken: {},
    fixed: { only: inside(`${INTERNAL} ${HSTS} alias $files/;`) },
    ask: header('Strict-Transport-Security'),
    sees: [undefined, 'max-age=9'],
  },
  'a list without a token for it': {
    found: EDITED,
    both: {
      only: inside(`${INTERNAL} include postern/listing.conf; alias $files/;`),
      locations: 'location = /lists { rewrite ^ /protected/sub/ last; }',
    },
    broken: {
      edits: [
        edit('listing', /if \(\$postern_decided[^}]*}/),
        edit('listing', /if \(\$postern_file[^}]*}/),
      ],
    },
    ask: get('/lists'),
    sees: [expect.stringContaining('c.txt'), 404],
  },
  "the site's page in place of a file that is not there": {
    found: EDITED,
    both: { server: 'root $files/../www;\nerror_page 404 =200 /index.html;' },
    broken: {
      edits: [
        edit('internal', 'error_page 416 @postern_416;'),
        edit('internal', 'error_page 403 404 429 @postern_failed;'),
      ],
    },
    ask: withToken('/download/none.txt'),
    sees: ['the front page', 404],
  },
  'internal.conf without http.conf': {
    found: EDITED,
    both: { files: { 'page.html': '<script></script>' } },
    broken: {
      edits: [
        edit('http', /map "\$status \$sent_http_content_type" \$postern_content_[^{]*\{[^}]*\}/),
      ],
    },
    ask: header('Content-Security-Policy', '/download/page.html'),
    sees: [undefined, 'sandbox'],
  },
});

const seen: (string | undefined)[] = [];
const storage = await listening((request, response) => {
  seen.push(request.headers.authorization);
  response.end(FILE);
});
afterAll(storage.stop);
const pass = `proxy_pass http://127.0.0.1:${storage.port}/;`;
const own = readFileSync(join(projectRoot, 'nginx', 'snippets', 'file.conf'), 'utf8');

testTraps({
  'an internal location that proxies without internal-proxy.conf': {
    found: MISSING,
    both: {
      http: 'proxy_cache_path $files/../kept keys_zone=kept:1m;',
      server: 'proxy_cache kept;',
    },
    broken: { only: inside(`${own}\n${pass}`) },
    fixed: { only: inside(`include postern/internal-proxy.conf; ${pass}`) },
    async ask(site) {
      const { access_token: token } = await site.issue({ path: A });
      expect(await get(A, { Authorization: `Bearer ${token}` })(site)).toBe(FILE);
      return seen.pop();
    },
    sees: [expect.stringMatching(/^Bearer ps_/), undefined],
  },
});
