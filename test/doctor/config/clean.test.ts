import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { nginxFolder } from '../../harness/nginx-conf.ts';
import { projectRoot, temporaryFolder } from '../../harness/paths.ts';
import { mount } from '../../support/postern.ts';
import { modes, type SiteMode, startSite } from '../../support/site.ts';
import { CACHE_CONF } from '../../support/snippet.ts';
import { run } from './command.ts';
import { diagnosed, dumpOf, started } from './trap.ts';

// The doctor finds nothing in Postern's own configurations.

const SEED = [mount('/download-logs-with-token/', '/download-logs/', { pathArgument: 'file' })];

test.each([
  ['nginx.conf', undefined],
  ['examples/seed.conf', SEED],
])(
  'doctor --config finds nothing in nginx/%s',
  async (name, mounts = [mount('/download/', '/protected/')]) => {
    const text = await readFile(join(projectRoot, 'nginx', name), 'utf8');
    const dir = await nginxFolder();
    const path = join(dir, 'nginx.conf');
    await writeFile(path, text);
    const option = mounts.map(({ prefix, internal }) => `${prefix}=${internal}`).join();
    const { code, stdout } = await run(['--config', path, '--mounts', option]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^✓ nothing found \(\d+ files, /)]);
  },
);

// In a container nginx listens on all addresses; the proxy in front of it terminates TLS.
test('doctor --config finds only plain HTTP in nginx/examples/compose.conf', async () => {
  const text = await readFile(join(projectRoot, 'nginx', 'examples', 'compose.conf'), 'utf8');
  const dir = await nginxFolder();
  await writeFile(join(dir, 'nginx.conf'), text);
  const { stdout } = await run(['--config', join(dir, 'nginx.conf'), '--json']);
  expect(JSON.parse(stdout).findings).toMatchObject([{ rule: 'plain-http' }]);
});

const LIMIT_CONN = 'limit_conn postern_connections 8;';

test.each(modes)(
  'doctor --config finds nothing in the site of the tests, by %s',
  async (mode: SiteMode) => {
    const site = await started({
      mode,
      http: `${LIMIT_CONN} ${CACHE_CONF}`,
      // As in a usual nginx.conf.
      server:
        'include postern/cors-headers.conf; root $files/../www; error_page 500 502 503 504 /50x.html;',
      locations: 'location / { } location ~ \\.php$ { return 404; }',
      edits: [['internal', /$/, 'include postern/listing.conf;\n']],
    });
    expect(diagnosed(await dumpOf(site), [mount('/download/', '/protected/')])).toEqual([]);
  },
);

test('doctor --config reports the default log of nginx beside the format postern', async () => {
  const site = await startSite({ mode: 'auth_request' });
  onTestFinished(site.stop);
  expect(diagnosed(await dumpOf(site))).toMatchObject([{ rule: 'log' }]);
});

test.each<string[]>([
  [],
  ['--x-accel', '--limit-conn', '4'],
  ['--cache', '--cors', 'https://app.example', '--login', '/login', '--limit-conn', '4'],
  ['--proxy-target', '/protected/=https://s3.example/b/', '--log', 'off'],
])('doctor --config finds nothing in the output of postern nginx %s', async (...options) => {
  const dir = await temporaryFolder();
  const env = {
    POSTERN_MOUNTS: '/download/=/protected/,media.example:/media/=/media-files/',
    POSTERN_DECISION_TTL: '2',
  };
  const files = ['/protected/=/srv/files', '/media-files/=/srv/media'].slice(
    options.includes('--proxy-target') ? 1 : 0,
  );
  const words = files.flatMap((one) => ['--files', one]);
  const made = await run(
    ['--out', dir, '--server', '--listen', '127.0.0.1:80', ...words, ...options],
    {
      command: 'nginx',
      env,
    },
  );
  expect(made.code, made.stderr).toBe(0);
  await mkdir(join(dir, 'conf.d'), { recursive: true });
  await writeFile(join(dir, 'nginx.conf'), 'http { include conf.d/*.conf; }');
  const { code, stdout } = await run(['--config', join(dir, 'nginx.conf')], { env });
  expect([code, stdout]).toEqual([0, expect.stringContaining('2 gates, 2 internal locations')]);
});
