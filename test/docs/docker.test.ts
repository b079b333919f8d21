import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../service/config/config.ts';
import { ConfigError } from '../../service/config/errors.ts';
import { type Config, startNginx } from '../harness/nginx.ts';
import { projectRoot, temporaryFolder, textOf } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { launch } from '../harness/process.ts';
import { startRedis } from '../harness/redis.ts';
import { askApi } from '../support/ask-service.ts';
import { fencedBlocks } from '../support/docs/blocks.ts';
import {
  build,
  execForm,
  imageEnvironment,
  only,
  parseDockerfile,
  readCopy,
} from '../support/docs/dockerfile.ts';
import { writeFiles } from '../support/files.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { needRoot } from '../support/need-root.ts';

interface Service {
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
  command?: string[];
  environment?: Record<string, string>;
  env_file?: string;
  ports?: string[];
  networks: string[];
  volumes: Array<string | { type: string; source: string; target: string; read_only?: boolean }>;
}

interface Compose {
  services: Record<'nginx' | 'postern' | 'valkey', Service>;
  volumes: Record<string, unknown>;
  networks: Record<string, { internal?: boolean } | null>;
}

const dockerfile = parseDockerfile(textOf('Dockerfile'));
const compose: Compose = parse(textOf('compose.yaml'));

describe('the Dockerfile', () => {
  test('copies only files that exist and that .dockerignore allows', async () => {
    const through = textOf('.dockerignore')
      .split('\n')
      .filter((line) => line[0] === '!');
    const copies = dockerfile
      .filter(({ name }) => name === 'COPY')
      .map(({ text }) => readCopy(text));
    const sources = new Set(copies.flatMap(({ from, sources }) => (from ? [] : sources)));
    for (const source of sources) expect(existsSync(join(projectRoot, source)), source).toBe(true);
    expect([...sources].sort()).toEqual(through.map((line) => line.slice(1)).sort());
  });

  test('does not run as root, and exits on SIGTERM', () => {
    // Kubernetes can check only a number (runAsNonRoot).
    expect(only(dockerfile, 'USER')).toBe('65532:65532');
    expect(only(dockerfile, 'STOPSIGNAL')).toBe('SIGTERM');
  });

  test('needs no shell, and runs nothing on a platform that it does not build on', () => {
    const last = dockerfile.findLastIndex(({ name }) => name === 'FROM');
    const [, ...instructions] = dockerfile.slice(last);
    expect(dockerfile[last]?.text).toMatch(/^gcr\.io\/distroless\/nodejs\d+-debian13:nonroot@/);
    expect(instructions.map(({ name }) => name)).not.toContain('RUN');
    for (const name of ['ENTRYPOINT', 'CMD', 'HEALTHCHECK']) {
      expect(execForm(only(instructions, name)).length, name).toBeGreaterThan(0);
    }
    for (const { name, text } of dockerfile.slice(0, last)) {
      if (name === 'FROM') expect(text).toContain('--platform=$BUILDPLATFORM ');
    }
  });

  test('every image that is pulled is named with its digest, as in compose.yaml', () => {
    const services: { image?: string }[] = Object.values(parse(textOf('compose.yaml')).services);
    const pulled = [
      ...dockerfile.filter(({ name }) => name === 'FROM').map(({ text }) => text),
      ...services.flatMap(({ image }) => image ?? []),
    ];
    expect(pulled.length).toBe(4);
    for (const image of pulled) expect(image).toMatch(/:[^@ ]+@sha256:[\da-f]{64}( AS \w+)?$/);
  });

  test('sets no variable that would replace a setting of the file', () => {
    expect(Object.keys(imageEnvironment(dockerfile))).toEqual(['NODE_ENV', 'POSTERN_CONFIG']);
  });
});

describe('compose.yaml', () => {
  test('mounts only files that exist', () => {
    const { volumes, networks, services } = compose;
    for (const service of Object.values(services)) {
      for (const network of service.networks) expect(Object.keys(networks)).toContain(network);
      for (const volume of service.volumes) {
        const source =
          typeof volume === 'string' ? volume.replace(/:[^:]*(:ro)?$/, '') : volume.source;
        if (!source.startsWith('.')) {
          // A named volume, or the operator's folder.
          if (!source.startsWith('$')) expect(Object.keys(volumes)).toContain(source);
        } else expect(existsSync(join(projectRoot, source)), source).toBe(true);
      }
    }
    expect(services.postern.env_file).toBe('postern.env');
    expect(existsSync(join(projectRoot, 'postern.env.example'))).toBe(true);
  });

  test('waits only for services with a health check', () => {
    for (const { depends_on: needs = {} } of Object.values(compose.services)) {
      for (const [name, { condition }] of Object.entries(needs)) {
        expect(condition).toBe('service_healthy');
        // Postern's own is in the Dockerfile.
        if (name !== 'postern') {
          expect(compose.services[name as 'valkey'].healthcheck?.test.length).toBeGreaterThan(1);
        }
      }
    }
    expect(Object.keys(compose.services.nginx.depends_on ?? {})).toEqual(['postern']);
    expect(Object.keys(compose.services.postern.depends_on ?? {})).toEqual(['valkey']);
  });

  test('publishes the site, and the API on 127.0.0.1 only', () => {
    const { nginx, postern, valkey } = compose.services;
    expect(nginx.ports).toEqual(['8080:80']);
    expect(postern.ports).toEqual(['127.0.0.1:7301:7301']);
    expect(valkey.ports).toBeUndefined();
    expect(valkey.networks.every((name) => compose.networks[name]?.internal)).toBe(true);
    expect(nginx.networks.some((name) => postern.networks.includes(name))).toBe(false);
  });

  test('Valkey evicts nothing and keeps its data over a restart', () => {
    const command = compose.services.valkey.command?.join(' ');
    expect(command).toContain('--maxmemory-policy noeviction');
    expect(command).toContain('--appendonly yes');
  });

  test('has a configuration that starts after a key is set', async () => {
    const { environment } = compose.services.postern;
    const secrets = Object.fromEntries(
      textOf('postern.env.example')
        .split('\n')
        .filter((line) => /^(# )?POSTERN_/.test(line))
        .map((line) => line.replace(/^# /, '').split('=') as [string, string]),
    );
    const file = textOf('deploy/docker/postern.yaml');
    const image = imageEnvironment(dockerfile);
    const load = (more: Record<string, string>) =>
      loadConfig({ ...image, ...environment, ...secrets, ...more }, () => file);
    expect(() => load({})).toThrow(ConfigError);
    const config = load({ POSTERN_API_KEYS: 'web:a-key-of-24-characters-00' });
    expect(config.listen).toEqual({ path: '/run/postern/gate.sock' });
    expect(config.apiListen).toEqual({ host: '0.0.0.0', port: 7301 });
    expect(config.store.url).toBe('redis://valkey:6379/0');
    expect(Object.keys(compose.services)).toContain('valkey');
  });
});

describe('Docker: the image, started as in compose.yaml', () => {
  let folder: string;
  let root: string;
  let app: string;
  beforeAll(async () => {
    folder = await temporaryFolder();
    root = await build(dockerfile, folder);
    app = join(root, 'app');
  }, 300_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  type Env = Record<string, string | undefined>;

  const environment = (changes: Env = {}): Env => ({
    PATH: process.env.PATH,
    ...imageEnvironment(dockerfile),
    POSTERN_CONFIG: join(root, imageEnvironment(dockerfile).POSTERN_CONFIG ?? ''),
    ...compose.services.postern.environment,
    POSTERN_API_KEYS: 'web:a-key-of-24-characters-00',
    ...changes,
  });

  /** The words of an instruction as a container would run them. */
  const words = (name: string) =>
    execForm(only(dockerfile, name)).map((word) =>
      word === '/nodejs/bin/node' ? process.execPath : word.replace(/^\/app\//, `${app}/`),
    );

  /** Only the process of the container, with its environment, on free addresses. */
  async function start(changes: Env) {
    const [path = '', ...args] = [...words('ENTRYPOINT'), ...words('CMD')];
    const env = environment(changes);
    const container = await forTest(launch({ name: 'postern', path, args, env, cwd: app }));
    await container.ready(() => check(env), { what: 'its health check' });
    return container;
  }

  function check(env: Env): Promise<boolean> {
    const [path = '', ...args] = words('HEALTHCHECK');
    return new Promise((resolve) => {
      execFile(path, args, { env, cwd: app }, (error) => resolve(error === null));
    });
  }

  test('contains the bundles and no node_modules', () => {
    expect(existsSync(join(app, 'node_modules'))).toBe(false);
    expect(readdirSync(join(app, 'dist')).sort()).toEqual(['chunks', 'cli', 'service']);
    expect(readdirSync(join(app, 'dist/cli'))).toEqual(['postern.js']);
  });

  test('gives the folder of the socket to nginx', async (context) => {
    needRoot(context);
    const { uid, gid, mode } = await stat(join(root, 'run/postern'));
    expect({ uid, gid, mode: mode & 0o7777 }).toEqual({ uid: 65532, gid: 101, mode: 0o2750 });
  });

  test('contains the snippets for postern nginx', async () => {
    const [path = '', ...entry] = words('ENTRYPOINT');
    const args = [...entry, 'nginx', '--files', '/srv/files', '--json'];
    const { stdout } = await promisify(execFile)(path, args, { cwd: app, env: environment() });
    const { files } = JSON.parse(stdout) as { files: Record<string, string> };
    expect(files['conf.d/00-postern.conf']).toContain('server unix:/run/postern/gate.sock;');
  });

  test('serves a file through nginx over the socket, and ends on SIGTERM with 0', async () => {
    const store = await forTest(startRedis({ engine: 'valkey' }));
    const key = 'a-key-of-24-characters-00';
    const site = textOf('nginx/examples/compose.conf');
    const { container, nginx, socket } = await serves({ POSTERN_STORE: store.url }, site, key);
    expect((await stat(socket)).mode & 0o777).toBe(0o660);
    expect((await fetch(nginx.url('/healthz'))).status).toBe(204);
    expect(await container.stop()).toEqual({ code: 0, signal: null });
  });

  /** The container and nginx with this site serve a file only with a token. */
  async function serves(env: Env, site: string, key: string) {
    const own = await folderForTest();
    const socket = join(own, 'gate.sock');
    const [port = 0] = await freePorts(1);
    const container = await start({
      ...{ ...env, POSTERN_LISTEN: `unix:${socket}`, POSTERN_API_LISTEN: `0.0.0.0:${port}` },
    });
    await writeFiles(own, { 'files/hello.txt': 'hello' });
    const config: Config = (context) =>
      site
        .replace('/run/postern/gate.sock', socket)
        .replace('listen 80;', `listen 127.0.0.1:${context.port};`)
        .replace('/var/log/nginx/', `${context.dir}/`)
        .replace('/srv/files/', `${own}/files/`);
    const nginx = await forTest(startNginx({ config }));
    const asked = { json: { path: '/download/hello.txt' }, key };
    const { url } = (await askApi({ apiPort: port }, 'POST /tokens', asked)).body;
    expect(await (await fetch(nginx.url(url))).text()).toBe('hello');
    expect((await fetch(nginx.url('/download/hello.txt'))).status).toBe(401);
    return { container, nginx, socket };
  }

  test('README.md: its compose file serves a file, with the image and the snippets in it', async () => {
    const { services, configs, volumes } = parse(
      fencedBlocks(textOf('README.md')).find(({ language }) => language === 'yaml')?.text ?? '',
    ) as Omit<Compose, 'services'> & {
      services: Record<'nginx' | 'postern', Service & { image: string }>;
      configs: { site: { content: string } };
    };
    expect(Object.keys(volumes)).toEqual(['gate', 'snippets']);
    // Docker copies the image's snippets into the empty volume.
    expect(services.postern.volumes).toEqual(['gate:/run/postern', 'snippets:/app/nginx/snippets']);
    expect(existsSync(join(app, 'nginx/snippets/http.conf'))).toBe(true);
    const shared = ['gate:/run/postern:ro', 'snippets:/etc/nginx/postern:ro'];
    expect(services.nginx.volumes).toEqual([...shared, './files:/srv/files:ro']);
    expect(services.nginx).toMatchObject({
      image: parse(textOf('compose.yaml')).services.nginx.image.split('@')[0],
    });
    const listens = Object.values(services).flatMap(({ ports = [] }) => ports);
    expect(listens.map((port) => port.split(':')[0])).toEqual(['127.0.0.1', '127.0.0.1']);

    await serves(
      services.postern.environment ?? {},
      configs.site.content,
      'at-least-16-characters',
    );
  });
});
