import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, readlink, symlink } from 'node:fs/promises';
import { request } from 'node:https';
import { delimiter, join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot, textOf } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { launch } from '../harness/process.ts';
import { findTool } from '../harness/tools.ts';
import { askApi } from '../support/ask-service.ts';
import { selfSigned } from '../support/certificate.ts';
import { program } from '../support/cli/machine.ts';
import { fencedBlocks, plain } from '../support/docs/blocks.ts';
import { writeFiles } from '../support/files.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { listening } from '../support/postern.ts';

// docs/start/getting-started.md, "Add Postern to an existing site": its commands, on a tree such as Debian's.

const HOST = 'shop.example';
const KEY = 'at-least-16-characters';

/** The lines of Debian's nginx.conf that matter here. */
const DEBIAN = `user www-data;
worker_processes auto;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;

events {
	worker_connections 768;
}

http {
	types_hash_max_size 2048;
	include /etc/nginx/mime.types;
	default_type application/octet-stream;
	access_log /var/log/nginx/access.log;
	gzip on;
	include /etc/nginx/conf.d/*.conf;
	include /etc/nginx/sites-enabled/*;
}
`;

const ZOO = `server {
    listen 443 ssl;
    server_name zoo.example;
    ssl_certificate /etc/ssl/shop.pem;
    ssl_certificate_key /etc/ssl/shop.key;
    location / { return 200 'the zoo'; }
}
`;

async function section(): Promise<ReturnType<typeof fencedBlocks>> {
  const page = textOf('docs/start/getting-started.md');
  const [, text = ''] = page.split('## Add Postern to an existing site');
  return fencedBlocks(text.split(/^## /m)[0] ?? '');
}

test('docs/start/getting-started.md: from an existing site to a clean doctor in under ten commands', async () => {
  const blocks = await section();
  const commands = blocks.flatMap(({ language, text }) =>
    language === 'bash' ? text.split('\n') : [],
  );
  expect(commands.length).toBeLessThan(10);
  const [install, ...others] = commands;
  expect(install).toBe('npm ci && npm run build && npm install --global .');

  const dir = await folderForTest();
  const app = await forTest(listening((_, response) => response.end('the shop')));
  const [http, https, api = 0] = await freePorts(3);

  /** The paths and ports of the page as those of the test. */
  const here = (text: string) =>
    text
      .replace(/(?<=^|[\s'|(])\/(etc\/|var\/|srv\/|run\/)/gm, `${dir}/$1`)
      .replaceAll('listen 80;', `listen 127.0.0.1:${http};`)
      .replaceAll('listen 443 ssl;', `listen 127.0.0.1:${https} ssl;`)
      .replaceAll(' -g www-data', '')
      .replaceAll('127.0.0.1:3000', `127.0.0.1:${app.port}`)
      .replaceAll(`https://${HOST}/ `, `https://${HOST}/ --connect 127.0.0.1:${https} `);
  const write = (name: string, text: string) => writeFiles(dir, { [name]: text });
  for (const name of ['var/log/nginx', 'run', 'srv'])
    await mkdir(join(dir, name), { recursive: true });
  await chmod(dir, 0o755);

  const nginx = await findTool('nginx');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const paths = temporary.map((name) => `${name}_temp_path ${dir}/run/${name};`).join(' ');
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  await write(
    'etc/nginx/nginx.conf',
    here(DEBIAN).replace('user www-data;', user).replace('http {', `http {\n\t${paths}`),
  );
  await write('etc/nginx/mime.types', 'types { text/plain txt; image/jpeg jpg; }');
  const { certificate, key } = selfSigned(HOST);
  await write('etc/ssl/shop.pem', certificate);
  await write('etc/ssl/shop.key', key);
  await write('var/www/shop/logo.jpg', 'a logo');
  // Debian enables a site by a link. The other site must not serve the files.
  await write('etc/nginx/sites-available/shop', here(blocks[0]?.text ?? ''));
  await write('etc/nginx/sites-enabled/zoo', here(ZOO));
  const enabled = join(dir, 'etc/nginx/sites-enabled/shop');
  await symlink('../sites-available/shop', enabled);

  const conf = `${dir}/etc/nginx/nginx.conf`;
  await program(
    join(dir, 'bin/nginx'),
    `exec '${nginx.path}' -e '${dir}/var/log/nginx/error.log' -c '${conf}' "$@"`,
  );
  await program(join(dir, 'bin/systemctl'), `[ "$*" = 'reload nginx' ] && exec nginx -s reload`);
  const cli = join(projectRoot, 'dist', 'cli', 'postern.js');
  await program(join(dir, 'bin/postern'), `exec '${process.execPath}' '${cli}' "$@"`);
  const env = {
    ...plain(),
    ...nginx.env,
    PATH: [join(dir, 'bin'), process.env.PATH].join(delimiter),
    NODE_EXTRA_CA_CERTS: join(dir, 'etc/ssl/shop.pem'),
    POSTERN_LISTEN: `unix:${dir}/run/postern/gate.sock`,
    POSTERN_API_LISTEN: `127.0.0.1:${api}`,
  };

  const path = join(dir, 'bin', 'nginx');
  const server = await forTest(launch({ name: 'nginx', path, args: ['-g', 'daemon off;'], env }));

  /** A request over TLS, by one of the names of the site. */
  const get = (path: string, name = HOST) =>
    new Promise<{ status?: number | undefined; text: string; hsts: unknown }>((resolve, reject) => {
      const options = { host: '127.0.0.1', port: https, path, servername: HOST, ca: certificate };
      const sent = request({ ...options, headers: { Host: name }, agent: false }, (response) => {
        let text = '';
        response.on('data', (part) => {
          text += part;
        });
        response.on('end', () => {
          const hsts = response.headers['strict-transport-security'];
          resolve({ status: response.statusCode, text, hsts });
        });
      });
      sent.on('error', reject);
      sent.end();
    });
  const HSTS = 'max-age=31536000';
  await server.ready(() => get('/').then(Boolean, () => false), { what: 'nginx to start' });
  expect(await get('/')).toMatchObject({ status: 200, text: 'the shop', hsts: HSTS });
  expect(await get('/download/hello.txt')).toMatchObject({ text: 'the shop' });

  const shell = (script: string) =>
    new Promise<string>((resolve, reject) => {
      const client = { ...env, POSTERN_API: `http://127.0.0.1:${api}` };
      const options = { cwd: dir, env: client, maxBuffer: 1e8 };
      execFile('bash', ['-euo', 'pipefail', '-c', script], options, (error, stdout, stderr) => {
        if (error) reject(new Error(`${script}\n${stdout}${stderr}`));
        else resolve(stdout + stderr);
      });
    });

  /** What the page lets the reader change in nginx's files. */
  const edit = async () => {
    const block = blocks.find(({ text }) => text.startsWith('    access_log'))?.text ?? '';
    for (const [name, from, to] of [
      ['sites-enabled/shop', /^ *access_log \S+;$/m, here(block.split('\n', 1)[0] ?? '')],
      ['sites-enabled/shop', /^ *access_log \S+;$/m, here(block)],
      ['nginx.conf', 'worker_connections 768;', 'worker_connections 4096;'],
      ['nginx.conf', /^/, 'pcre_jit on; worker_rlimit_nofile 16384;\n'],
    ] as const) {
      const path = `etc/nginx/${name}`;
      const text = await readFile(join(dir, path), 'utf8');
      await write(
        path,
        text.replace(from, () => to),
      );
    }
  };
  const outputs: string[] = [];
  for (const command of others.map(here)) {
    if (!command.endsWith('postern serve &')) {
      if (command.startsWith('nginx -t')) await edit();
      outputs.push(await shell(command));
      if (command.includes('systemctl reload')) {
        await expect.poll(async () => (await get('/download/hello.txt')).status).toBe(503);
      }
      continue;
    }
    const args = ['-c', `exec env ${command.replace(/ &$/, '')}`];
    const service = await forTest(launch({ name: 'postern', path: 'bash', args, env }));
    await service.ready(() => service.stdout().includes('"listening"'), { what: 'Postern' });
  }

  // What the page shows after the command that writes the files.
  const notes = outputs[1]?.match(/^postern: note: .*$/gm);
  const shown = here(blocks.find(({ text }) => text.includes('postern: note:'))?.text ?? '');
  expect(notes).toEqual(shown.match(/^postern: note: .*$/gm));
  expect(outputs.at(-2)).toContain('✓ nothing found');
  expect(outputs.at(-1)).toMatch(/, 0 ✗, /);

  const asked = { json: { path: '/download/photo.jpg' }, key: KEY };
  const { url } = (await askApi({ apiPort: api }, 'POST /tokens', asked)).body;
  await write('srv/files/photo.jpg', 'a photo');
  await write('var/www/shop/download/photo.jpg', 'not the photo');
  for (const name of [HOST, `www.${HOST}`]) {
    expect(await get(url, name)).toMatchObject({ status: 200, text: 'a photo', hsts: HSTS });
    // The regex location of the site does not take it.
    expect((await get('/download/photo.jpg', name)).status).toBe(401);
  }
  expect(await get('/')).toMatchObject({ status: 200, text: 'the shop', hsts: HSTS });
  expect(await get('/logo.jpg')).toMatchObject({ status: 200, text: 'a logo' });
  for (const path of [url, '/protected/photo.jpg']) {
    expect(await get(path, 'zoo.example')).toMatchObject({ status: 200, text: 'the zoo' });
  }
  expect(await readlink(enabled)).toBe('../sites-available/shop');
  const redirect = await fetch(`http://127.0.0.1:${http}/a`, { redirect: 'manual' });
  expect(redirect.status).toBe(301);
  expect(await readFile(join(dir, 'var/log/nginx/shop.log'), 'utf8')).not.toMatch(/token=ps_/);
}, 120_000);
