import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { textOf } from '../../harness/paths.ts';
import {
  diagnosed,
  dumpOf,
  FILE,
  get,
  MOUNTS,
  started,
  testTraps,
  urlOf,
  withToken,
} from '../../support/doctor/trap.ts';
import { listening } from '../../support/postern.ts';

// Traps at the internal location: each one is shown on nginx, found, and fixed. test/doctor/leaks.test.ts has others.

const GATE = 'location ^~ /download/ { include postern/protect.conf; }';
const INTERNAL = 'include postern/internal.conf;';
const inside = (inner: string) => `${GATE}\nlocation ^~ /protected/ {\n${inner}\n}`;
const MISSING = ['missing-snippet: location ^~ /protected/ {'];
const A = '/download/a.txt';

testTraps({
  'an alias of the internal location without its slash': {
    found: ['second-url: alias $files;'],
    broken: { only: inside(`${INTERNAL}\nalias $files;`) },
    ask: withToken(A),
    sees: [404, FILE],
  },
  'an if in the internal location: folders show its prefix': {
    found: ['nested: if ($arg_y'],
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
});

const seen: (string | undefined)[] = [];
const storage = await listening((request, response) => {
  seen.push(request.headers.authorization);
  response.end(FILE);
});
afterAll(storage.stop);
const pass = `proxy_pass http://127.0.0.1:${storage.port}/;`;
const own = textOf('nginx/snippets/file.conf');

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

const NO_FOLDER = 'alias $arg_none$files/;';
test('doctor --config: an internal location whose folder is unknown is a question', async () => {
  const site = await started({
    internal: `include postern/internal.conf; ${NO_FOLDER}`,
    locations: 'location /open/ { alias $files/; }',
  });
  expect((await site.ask('GET', '/open/a.txt')).text).toBe(FILE);
  const findings = diagnosed(await dumpOf(site), { mounts: MOUNTS });
  expect(findings.map(({ rule, verdict }) => [rule, verdict])).toEqual([
    ['second-url', 'question'],
  ]);
});

test('doctor --config: a server without a root serves the folder html of nginx', async () => {
  const site = await started({ internal: 'include postern/internal.conf; alias html/files/;' });
  const folder = join(site.nginx.dir, 'html/files');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'a.txt'), FILE);
  expect((await site.ask('GET', '/files/a.txt')).text).toBe(FILE);
  const dump = await dumpOf(site);
  const [found, ...more] = diagnosed(dump, { mounts: MOUNTS });
  expect([found?.rule, found?.verdict, more]).toEqual(['second-url', 'failed', []]);
  expect(found?.fix).toMatch(/^in server \(.*\): location \^~ \/files\/ \{ return 404; \}$/);
  // The doctor knows the folder only from the output of nginx -V.
  const bare = dump.replace(/^configure arguments:.*|^nginx version:.*/gm, '');
  const [unclear] = diagnosed(bare, { mounts: MOUNTS });
  expect([unclear?.rule, unclear?.verdict]).toEqual(['second-url', 'question']);
  const elsewhere = bare.replace('alias html/files/', 'alias /srv/html/files/');
  expect(diagnosed(elsewhere, { mounts: MOUNTS })[0]?.verdict).toBe('question');
  expect(
    diagnosed(bare.replace('alias html/files/', 'alias /srv/files/'), { mounts: MOUNTS }),
  ).toEqual([]);
});
