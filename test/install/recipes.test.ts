import { execFile } from 'node:child_process';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import {
  afterAll,
  beforeAll,
  beforeEach,
  expect,
  onTestFinished,
  type TestContext,
  test,
  vi,
} from 'vitest';
import { createClient, type PosternClient } from '../../client/client.ts';
import { type Nginx, startNginx } from '../harness/nginx.ts';
import { projectRoot, temporaryFolder, textOf } from '../harness/paths.ts';
import { type ServiceProcess, startService } from '../harness/service.ts';
import { folderForTest } from '../support/for-test.ts';
import { startApplication } from '../support/install/application.ts';
import { pack } from '../support/install/packed.ts';
import { needTool } from '../support/need-tool.ts';
import { KEY, type Listening, listening } from '../support/postern.ts';

// Runs the programs of integrations/examples/. The test adds what they leave to the reader: the rules, a login, and a
// server. It has more than 300 lines because all programs have the same tests, with the same Postern.

let folder: string;
let service: ServiceProcess;
let nginx: Nginx;
let postern: PosternClient;
/** Where the applications reach the API. */
let api: Listening;
const state = {
  fails: '' as '' | 'closes' | 'hangs' | 'redirects' | 'refuses' | 'rejects',
  strayKeys: [] as string[],
  asked: [] as string[],
};
beforeAll(async () => {
  folder = await temporaryFolder();
  const files = join(folder, 'files');
  await mkdir(files);
  await writeFile(join(files, 'hello.txt'), 'hello\n');
  service = await startService({
    env: { POSTERN_MOUNTS: '/download/=/protected/', POSTERN_API_KEYS: `web:${KEY}` },
  });
  postern = createClient({ url: `http://127.0.0.1:${service.apiPort}`, key: KEY });
  api = await listening(async (request, response) => {
    const { method = '', url = '', headers } = request;
    const { authorization = '', 'content-type': type = '' } = headers;
    if (url === '/elsewhere') {
      if (authorization !== '') state.strayKeys.push(authorization);
      return void response.end();
    }
    state.asked.push(url);
    if (state.fails === 'closes') return void request.socket.destroy();
    if (state.fails === 'hangs') return;
    if (state.fails === 'redirects') {
      const location = `http://localhost:${api.port}/elsewhere`;
      return void response.writeHead(302, { location }).end();
    }
    let body = Buffer.concat(await request.toArray()).toString();
    if (state.fails === 'refuses') body = '{}';
    if (state.fails === 'rejects') body = '{"path": "/no-mount/a"}';
    const answer = await fetch(`http://127.0.0.1:${service.apiPort}${url}`, {
      method,
      headers: { authorization, 'content-type': type },
      body,
    });
    response.writeHead(answer.status, { 'content-type': type }).end(await answer.text());
  });
  nginx = await startNginx({
    config: ({ port }) => `
      include postern/http.conf;
      upstream postern { server 127.0.0.1:${service.gatePort}; }
      server {
        listen 127.0.0.1:${port};
        include postern/auth-request.conf;
        location ^~ /download/ { include postern/protect.conf; }
        location ^~ /protected/ { include postern/internal.conf; alias ${files}/; }
      }`,
  });
});
beforeEach(() => void Object.assign(state, { fails: '', strayKeys: [], asked: [] }));
afterAll(async () => {
  await Promise.all([nginx?.stop(), api?.stop(), service?.stop()]);
  await rm(folder, { recursive: true, force: true });
});

const example = (name: string) => textOf(`integrations/examples/${name}`);
/** What the test adds to an example. */
const addition = (name: string) => textOf(`test/install/recipes/${name}`);
/** Python with the client, as if it was installed. */
async function pythonWithClient(name: 'python3-fastapi' | 'python3-flask', context: TestContext) {
  const { path, env } = await needTool(name, context);
  const modules = [join(projectRoot, 'integrations/python'), env.PYTHONPATH].filter(Boolean);
  return { path, env: { ...env, PYTHONPATH: modules.join(delimiter) } };
}

const settings = () => ({
  POSTERN_API: `http://127.0.0.1:${api.port}`,
  POSTERN_API_KEY: KEY,
  SESSION_SECRET: 'a-secret-for-the-tests-only',
});

type Visit = Awaited<ReturnType<typeof startApplication>>;

/** No session: to the login page. The wrong file: 404. Otherwise 303 to the file, or 503 without Postern. */
async function serves(
  visit: Visit,
  page = (name: string) => `/files/${name}`,
  failures: Array<'closes' | 'redirects'> = ['closes', 'redirects'],
): Promise<void> {
  const stranger = await visit(page('hello.txt'));
  expect([302, 303]).toContain(stranger.status);
  expect(stranger.headers.get('location')).toMatch(/login/);
  expectPrivate(stranger);

  expect((await visit('/test-login')).status).toBe(200);
  // `%FF` is not UTF-8, and Postern rejects a space at the end.
  for (const name of ['secret.txt', 'hello.txt%20', 'hello.txt%FF']) {
    const denied = await visit(page(name));
    // Some frameworks reject it before the program sees it.
    if (name.endsWith('%FF') && denied.status === 400) continue;
    expect([name, denied.status]).toEqual([name, 404]);
    expectPrivate(denied);
  }
  expect((await visit(page('hello.txt'), { method: 'HEAD' })).status).toBe(303);
  await postern.revokeSubject('42');
  await opens(await visit(page('hello.txt')));
  await survives(() => visit(page('hello.txt')), failures);
  // The middleware of Hono throws an error of the second kind.
  await logsReason(visit, page('hello.txt'), failures.includes('redirects'));
}

/** The application must log the API's reason, so that its developer finds a wrong key or mount. */
async function logsReason(visit: Visit, address: string, isEach: boolean): Promise<void> {
  const reasons = [
    ['rejects', 404, 'must be under the prefix of a mount'],
    ['refuses', 503, 'invalid_request'],
  ] as const;
  for (const [failure, status, reason] of reasons.slice(0, isEach ? 2 : 1)) {
    state.fails = failure;
    expect([failure, (await visit(address)).status]).toEqual([failure, status]);
    await expect.poll(visit.stderr).toMatch(RegExp(`Postern issued no token: [^]*${reason}`));
  }
  state.fails = '';
  expect(visit.stderr()).not.toContain(KEY);
}

/** Answers 503 if the API fails, sends its key nowhere else, and continues to run. */
async function survives(open: () => Promise<Response>, failures: Array<'closes' | 'redirects'>) {
  for (const failure of failures) {
    state.fails = failure;
    const { status, headers } = await open();
    expect([failure, status, headers.get('retry-after')]).toEqual([failure, 503, '5']);
  }
  state.fails = '';
  expect(state.strayKeys).toEqual([]);
  await opens(await open());
}

/** No cache and no other site gets the link. */
function expectPrivate({ headers }: Response): void {
  expect(headers.get('cache-control')).toContain('no-store');
  expect(headers.get('referrer-policy')).toBe('no-referrer');
}

async function opens(redirect: Response): Promise<void> {
  expect([redirect.status, await redirect.text()]).toMatchObject([303, expect.anything()]);
  expectPrivate(redirect);
  const location = redirect.headers.get('location') ?? '';
  expect(location).toMatch(/^\/download\/hello\.txt\?token=ps_/);
  expect(await (await fetch(nginx.url(location))).text()).toBe('hello\n');
  expect(await postern.revokeSubject('42')).toBe(1);
  expect((await fetch(nginx.url(location))).status).toBe(401);
}

const rules =
  "export const mayRead = (user, name) => Number(user) === 42 && name.trim() === 'hello.txt';";

function javascript(name: string, main: string) {
  const app = { 'app.js': example(`${name}/app.js`), 'rules.js': rules, 'main.js': main };
  return startApplication(join(folder, name), {
    files: { 'package.json': '{"type": "module"}', ...app },
    tool: { path: process.execPath, env: {} },
    args: ['main.js'],
    env: settings(),
  });
}

test('integrations/examples/express, and the way back from the login page', async () => {
  const main = `import { app } from './app.js';
    app.get('/test-login', (request, response) => { request.session.userId = 42; response.end(); });
    app.listen(process.env.PORT, '127.0.0.1');`;
  const visit = await javascript('express', main);
  expect((await visit('/after-login?return=%25')).headers.get('location')).toBe('/login');
  await serves(visit);
  await opens(await visit('/after-login?return=%2Fdownload%2Fhello.txt%3Fx%3D1'));
  const invalid = ['%25', 'http%3A%2F%2F%5B', '%2Fetc%2Fhello.txt', '%2F%2Fevil.example%2Fx'];
  for (const path of ['%2Fdownload%2Fsecret.txt', ...invalid])
    expect((await visit(`/after-login?return=${path}`)).status).toBe(404);
});

test('integrations/examples/hono', async () => {
  const main = `import { serve } from '@hono/node-server';
    import { setSignedCookie } from 'hono/cookie';
    import { app } from './app.js';
    app.get('/test-login', async (c) => {
      await setSignedCookie(c, 'user', '42', process.env.SESSION_SECRET);
      return c.text('');
    });
    serve({ fetch: app.fetch, port: Number(process.env.PORT), hostname: '127.0.0.1' });`;
  const visit = await javascript('hono', main);
  // The middleware throws other errors, for `app.onError`.
  await serves(visit, undefined, ['closes']);
});

test('integrations/examples/next', async () => {
  const page = 'export default ({ children }) => <html><body>{children}</body></html>;';
  const login = `import { cookies } from 'next/headers';
    export async function GET() {
      (await cookies()).set('user', '42');
      return new Response();
    }`;
  const session = `import { cookies } from 'next/headers';
    export const userOf = async () => (await cookies()).get('user')?.value;`;
  const visit = await startApplication(join(folder, 'next'), {
    files: {
      'package.json': '{"type": "module"}',
      'rules.js': `${rules}\n${session}`,
      'app/layout.js': page,
      'app/page.js': "export default () => '';",
      'app/test-login/route.js': login,
      'app/files/[name]/route.js': example('next/route.js'),
    },
    tool: { path: process.execPath, env: { NEXT_TELEMETRY_DISABLED: '1' } },
    args: ['node_modules/next/dist/bin/next', 'dev', '--webpack', '-H', '127.0.0.1', '-p', '$port'],
    env: settings(),
    frameworks: ['next', 'react', 'react-dom'],
  });
  await serves(visit);
});

test('integrations/examples/nestjs', async () => {
  const compilerOptions = {
    ...{ target: 'es2023', module: 'nodenext', types: ['node'], experimentalDecorators: true },
  };
  const main = `import 'reflect-metadata';
    import { Module } from '@nestjs/common';
    import { NestFactory } from '@nestjs/core';
    import session from 'express-session';
    import { FilesController } from './files.controller.js';
    class AppModule {}
    Module({ controllers: [FilesController] })(AppModule);
    const app = await NestFactory.create(AppModule, { logger: false });
    app.use(session({ secret: 'for-the-tests-only', resave: false, saveUninitialized: false }));
    app.use((request, response, next) => {
      if (request.url !== '/test-login') return next();
      request.session.userId = 42;
      response.end();
    });
    await app.listen(process.env.PORT, '127.0.0.1');`;
  const tsc = join(projectRoot, 'node_modules', '.bin', 'tsc');
  const { tarball } = await pack(await folderForTest());
  const packed = await folderForTest();
  await promisify(execFile)('tar', ['-xzf', tarball, '-C', packed]);
  const visit = await startApplication(join(folder, 'nestjs'), {
    packed: join(packed, 'package'),
    files: {
      'package.json': '{"type": "module"}',
      'tsconfig.json': JSON.stringify({ compilerOptions, include: ['*.ts'] }),
      'rules.js': rules,
      'rules.d.ts': 'export function mayRead(user: number, name: string): boolean;',
      'files.controller.ts': example('nestjs/files.controller.ts'),
      'main.js': main,
    },
    tool: { path: '/bin/sh', env: { TSC: tsc, NODE: process.execPath } },
    args: ['-c', '"$NODE" "$TSC" && exec "$NODE" main.js'],
    env: settings(),
    frameworks: ['@nestjs', 'reflect-metadata', 'rxjs'],
  });
  await serves(visit);
});

test('integrations/examples/strapi: the links of a response are one request, and without Postern they open nothing', async () => {
  const place = join(folder, 'strapi');
  await mkdir(join(place, 'node_modules'), { recursive: true });
  await symlink(projectRoot, join(place, 'node_modules', 'postern'));
  await writeFile(join(place, 'index.js'), example('strapi/index.js'));
  const errors: string[] = [];
  vi.stubGlobal('strapi', { log: { error: (text: string) => errors.push(text) } });
  onTestFinished(() => void vi.unstubAllGlobals());
  const url = `http://127.0.0.1:${api.port}`;
  const provider = createRequire(join(place, 'x.js'))('./index.js').init({
    ...{ folder: join(folder, 'files'), mount: '/download/', api: url, key: KEY },
  });
  const files = ['hello', 'ü b', '..'].map((hash) => ({
    hash,
    ext: hash === '..' ? '' : '.txt',
    url: `/download/${hash}`,
  }));
  await provider.uploadStream({ ...files[1], stream: Readable.from(['umlaut\n']) });
  const links: Array<{ url: string }> = await Promise.all(files.map(provider.getSignedUrl));
  const [hello = '', other = '', wrong] = links.map(({ url }) => url);
  expect(await (await fetch(nginx.url(hello))).text()).toBe('hello\n');
  expect(await (await fetch(nginx.url(other))).text()).toBe('umlaut\n');
  expect(wrong).toBe('/download/..');
  expect(state.asked).toEqual(['/tokens/batch', '/tokens/batch', '/tokens']);
  await provider.delete(files[1]);
  expect((await fetch(nginx.url(other))).status).toBe(404);
  state.fails = 'closes';
  expect((await provider.getSignedUrl(files[0])).url).toBe('/download/hello');
  expect(errors).toHaveLength(2);
  expect(errors.join()).not.toContain(KEY);
});

const pythonRules =
  "def may_read(user, name):\n    return user == 42 and name.strip() == 'hello.txt'\n";

async function python(name: 'fastapi' | 'flask', context: TestContext) {
  const visit = await startApplication(join(folder, name), {
    files: {
      'app.py': example(`${name}/app.py`),
      'rules.py': pythonRules,
      'main.py': addition(`${name}/main.py`),
    },
    tool: await pythonWithClient(`python3-${name}`, context),
    args: ['main.py'],
    env: settings(),
  });
  await serves(visit);
  return visit;
}

test('integrations/examples/fastapi', async (context) => {
  const visit = await python('fastapi', context);
  state.fails = 'hangs';
  let answered = 0;
  // More than the client has threads.
  const hanging = Array.from({ length: 50 }, async () => {
    const { status } = await visit('/files/hello.txt');
    answered += 1;
    return status;
  });
  expect((await visit('/openapi.json')).status).toBe(200);
  expect(answered).toBe(0);
  expect(new Set(await Promise.all(hanging))).toEqual(new Set([503]));
});

test('integrations/examples/flask', (context) => python('flask', context));

test('integrations/examples/php', async (context) => {
  const visit = await startApplication(join(folder, 'php'), {
    files: {
      'files.php': example('php/files.php'),
      'rules.php':
        "<?php function may_read(int $user, string $name) { return trim($name) === 'hello.txt'; }",
      'login.php': "<?php session_start(); $_SESSION['user_id'] = 42;",
      'router.php':
        "<?php if ($_SERVER['REQUEST_URI'] === '/test-login') require 'login.php'; else return false;",
    },
    tool: await needTool('php', context),
    args: ['-n', '-d', `session.save_path=${folder}`, '-S', '127.0.0.1:$port', 'router.php'],
    env: settings(),
  });
  await serves(visit, (name) => `/files.php?name=${name}`);
  expect((await visit('/files.php?name[]=hello.txt')).status).toBe(404);
});

test('integrations/examples/go', { timeout: 300_000 }, async (context) => {
  const files = {
    'go.mod': 'module files\n\ngo 1.22\n',
    'files.go': example('go/files.go'),
    'main.go': addition('go/main.go'),
  };
  const application = {
    files,
    tool: await needTool('go', context),
    args: ['run', '.'],
    env: {
      ...settings(),
      // The compiled standard library is kept for the next run.
      GOCACHE: join(projectRoot, '.cache', 'go'),
      GOFLAGS: '-mod=mod',
      GOTOOLCHAIN: 'local',
      CGO_ENABLED: '0',
    },
  };
  await serves(await startApplication(join(folder, 'go'), application));

  const env = { ...application.env, POSTERN_API: `127.0.0.1:${api.port}` };
  const visit = await startApplication(join(folder, 'go-without-scheme'), { ...application, env });
  await visit('/test-login');
  expect((await visit('/files/hello.txt')).status).toBe(503);
});
