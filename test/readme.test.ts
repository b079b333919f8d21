import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startNginx } from './harness/nginx.ts';
import { projectRoot, temporaryFolder, textOf } from './harness/paths.ts';
import { freePorts } from './harness/ports.ts';
import { launch } from './harness/process.ts';
import { ensureTools, type ToolName } from './harness/tools.ts';
import { type Block, fencedBlocks, plain } from './support/docs/blocks.ts';
import { copyProject } from './support/files.ts';

// Runs the commands of README.md and docs/start/getting-started.md: the blocks marked `sh`. Those marked `bash` need root,
// systemd or Docker. In a copy, because `npm ci` would remove the node_modules of this test.

const SECONDS = 1000;

const blocks = fencedBlocks(textOf('README.md'));
const page = fencedBlocks(textOf('docs/start/getting-started.md'));
let folder: string;
let copy: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  copy = join(folder, 'postern');
  await copyProject(copy);
  // So that the copy does not download nginx and Redis again.
  const cache = join(projectRoot, '.cache');
  await mkdir(cache, { recursive: true });
  await symlink(cache, join(copy, '.cache'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Replaces texts. Fails if one is missing. */
function put(text: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((changed, [from, to]) => {
    expect(changed).toContain(from);
    return changed.replaceAll(from, to);
  }, text);
}

function shell(script: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd: copy, env: { ...plain(), ...env }, maxBuffer: 1e8 };
    execFile('/bin/sh', ['-c', script], options, (error, stdout, stderr) => {
      if (error) reject(new Error(`${script}\n${stdout}${stderr}`));
      else resolve(stdout);
    });
  });
}

/** The variables with which a shell finds these programs and their libraries. */
async function variablesFor(...names: ToolName[]): Promise<NodeJS.ProcessEnv> {
  const tools = Object.values(await ensureTools(names));
  const libraries = tools.flatMap(({ env }) => env.LD_LIBRARY_PATH ?? []);
  const PATH = [...tools.map(({ path }) => dirname(path)), process.env.PATH].join(delimiter);
  return { PATH, ...(libraries.length > 0 && { LD_LIBRARY_PATH: libraries.join(delimiter) }) };
}

/** The two commands of the quick start: the first blocks that a shell runs. */
const commands = () => blocks.filter(({ language }) => language === 'sh').slice(0, 2);

test('README.md: the first commands are the demo and the tests, word for word', () => {
  expect(commands()).toEqual([
    { language: 'sh', text: 'npm ci && npm run demo' },
    { language: 'sh', text: 'npm ci && npm test' },
  ]);
});

test('README.md: the request for a token and its response are those of docs/start/getting-started.md', () => {
  const [request, response] = blocks
    .filter(({ language }) => /^(sh|json)$/.test(language))
    .slice(2);
  expect([request?.language, response?.language]).toEqual(['sh', 'json']);
  expect(page).toEqual(expect.arrayContaining([request, response]));
});

// One after the other: `npm start` uses what `npm ci` has installed.
describe.sequential('in a fresh copy', () => {
  test(
    'npm ci && npm run demo -- --once exits by itself',
    async () => {
      const command = put(commands()[0]?.text ?? '', { 'npm run demo': 'npm run demo -- --once' });
      expect(await shell(command)).not.toBe('');
    },
    300 * SECONDS,
  );

  // The whole suite would run this test again, endlessly.
  test(
    'npm ci && npm test runs the smoke test',
    async () => {
      const command = put(commands()[1]?.text ?? '', {
        'npm test': 'npm test -- test/nginx/smoke',
      });
      expect(await shell(command)).toMatch(/Tests .*\d+ passed/);
    },
    300 * SECONDS,
  );

  test(
    'docs/start/getting-started.md: each command prints what the page shows',
    async () => {
      const files = await mkdtemp(join(folder, 'files-'));
      await writeFile(join(files, 'hello.txt'), 'hello\n');
      const [free = 0] = await freePorts(1);
      const api = `127.0.0.1:${free}`;
      const socket = { '/run/postern/gate.sock': join(files, 'gate.sock') };
      const nginx = await startNginx({
        config: ({ port, dir }) =>
          put(only(page, 'nginx'), {
            'listen 127.0.0.1:8080;': `listen 127.0.0.1:${port};`,
            ...socket,
            '/var/log/nginx': dir,
            '/srv/files/': `${files}/`,
          }),
      });
      onTestFinished(nginx.stop);
      const tools = await variablesFor('curl', 'wget');

      const values: Record<string, string> = {
        ...socket,
        '127.0.0.1:7301': api,
        '127.0.0.1:8080': `127.0.0.1:${nginx.port}`,
      };
      const services: Array<Awaited<ReturnType<typeof launch>>> = [];
      async function output(script: string): Promise<string> {
        if (!script.endsWith('npm start')) return shell(script, tools);
        const service = await launch({
          name: 'npm start',
          path: '/bin/sh',
          args: ['-c', put(script, { 'npm start': 'exec npm start' })],
          env: { ...plain(), POSTERN_API_LISTEN: api, POSTERN_LISTEN: `unix:${files}/gate.sock` },
          cwd: copy,
        });
        services.push(service);
        const { stop, stdout, ready } = service;
        onTestFinished(async () => void (await stop()));
        const deadline = 120 * SECONDS;
        await ready(() => stdout().includes('"listening"'), {
          what: 'Postern to listen',
          deadline,
        });
        return stdout();
      }

      let compared = 0;
      for (const [at, { language, text }] of page.entries()) {
        if (language !== 'sh') continue;
        const script = Object.entries(values).reduce(
          (command, [from, to]) => command.replaceAll(from, to),
          text,
        );
        const printed = (await output(script)).trim();
        expect(printed, script).toMatch(asPattern(page[at + 1]));
        compared += 1;
        if (!printed.includes('"access_token"')) continue;
        const issued = JSON.parse(printed) as { access_token: string; id: string };
        Object.assign(values, { 'ps_…': issued.access_token, TOKEN_ID: issued.id });
      }
      expect(compared).toBeGreaterThanOrEqual(8);
      const doctor = `node dist/cli/postern.js doctor --config ${nginx.dir}/nginx.conf --mounts /download/=/protected/`;
      expect(await shell(doctor)).toMatch(/^✓ nothing found/m);
      const denied = await fetch(nginx.url('/download/hello.txt'));
      expect(await denied.text()).toContain('"missing_token"');
      for (const { stop, stdout } of services) {
        expect(await stop()).toEqual({ code: 0, signal: null });
        expect(stdout()).toContain('"stopped"');
      }
    },
    300 * SECONDS,
  );
});

/** The one block of a language. */
function only(all: readonly Block[], wanted: string): string {
  const found = all.filter(({ language }) => language === wanted);
  expect(found.length, `${wanted} blocks`).toBe(1);
  return found[0]?.text ?? '';
}

/** What a page shows after a command; `…` stands for any text. */
function asPattern(shown: Block | undefined): RegExp {
  expect(shown?.language).toMatch(/^(text|json)$/);
  const text = shown?.text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('…', '[^]*');
  return new RegExp(`^${text}$`);
}
