import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startNginx } from '../dev/nginx.ts';
import { projectRoot, temporaryFolder } from '../dev/paths.ts';
import { freePorts } from '../dev/ports.ts';
import { launch } from '../dev/process.ts';
import { findTool } from '../dev/tools.ts';
import { type Block, fencedBlocks } from './docs/blocks.ts';
import { plain } from './docs/plain.ts';

// The commands of README.md as they stand there: its blocks marked `sh` are run, those marked `bash`
// need Docker or do not end. In a copy, since `npm ci` would take node_modules away from this test.

const SECONDS = 1000;

let blocks: Block[];
let folder: string;
let copy: string;

beforeAll(async () => {
  blocks = fencedBlocks(await readFile(join(projectRoot, 'README.md'), 'utf8'));
  folder = await temporaryFolder();
  copy = join(folder, 'postern');
  const left = new Set(['node_modules', 'dist', '.cache', '.git', 'coverage']);
  await cp(projectRoot, copy, {
    recursive: true,
    filter: (path) => dirname(path) !== projectRoot || !left.has(basename(path)),
  });
  // So that nginx and Redis are not fetched a second time.
  const cache = join(projectRoot, '.cache');
  await mkdir(cache, { recursive: true });
  await symlink(cache, join(copy, '.cache'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The one block of a language that holds these words. */
function block(language: string, words: string): string {
  const found = blocks.filter((one) => one.language === language && one.text.includes(words));
  expect(found.length, `${language} blocks with ${words}`).toBe(1);
  return found[0]?.text ?? '';
}

/** Replaces what must be there to be replaced. */
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

test('it begins with the two commands, word for word', () => {
  expect(blocks.slice(0, 2)).toEqual([
    { language: 'sh', text: 'npm ci && npm run demo' },
    { language: 'sh', text: 'npm ci && npm test' },
  ]);
});

// One after the other: `npm start` uses what `npm ci` has installed.
describe.sequential('in a fresh copy', () => {
  test(
    'npm ci && npm run demo, told to end by itself',
    async () => {
      const command = put(blocks[0]?.text ?? '', { 'npm run demo': 'npm run demo -- --once' });
      expect(await shell(command)).not.toBe('');
    },
    120 * SECONDS,
  );

  // The whole suite would run this test again, and without end.
  test(
    'npm ci && npm test, of which only the smoke test is run',
    async () => {
      const command = put(blocks[1]?.text ?? '', { 'npm test': 'npm test -- test/nginx/smoke' });
      expect(await shell(command)).toMatch(/Tests .*\d+ passed/);
    },
    120 * SECONDS,
  );

  test(
    'the shortest real set-up serves the file, and only with its token',
    async () => {
      const ports = await freePorts(2);
      const [gate, api] = ports.map((port) => `127.0.0.1:${port}`) as [string, string];
      const start = await launch({
        name: 'npm start',
        path: '/bin/sh',
        args: ['-c', block('sh', 'npm start')],
        env: { ...plain(), POSTERN_LISTEN: gate, POSTERN_API_LISTEN: api },
        cwd: copy,
      });
      onTestFinished(async () => void (await start.stop()));
      await start.ready(() => start.stdout().includes('"listening"'), {
        what: 'Postern to listen',
        deadline: 30 * SECONDS,
      });

      const files = join(folder, 'files');
      await mkdir(files);
      await writeFile(join(files, 'hello.txt'), 'hello\n');
      const nginx = await startNginx({
        config: ({ port, dir }) =>
          put(block('nginx', 'postern/protect.conf'), {
            'listen 8080;': `listen 127.0.0.1:${port};`,
            '127.0.0.1:7300': gate,
            '/var/log/nginx': dir,
            '/srv/files/': `${files}/`,
          }),
      });
      onTestFinished(nginx.stop);

      const { path, env } = await findTool('curl');
      const tools = { ...env, PATH: `${dirname(path)}:${process.env.PATH}` };
      const issued = await shell(put(block('sh', '/tokens'), { '127.0.0.1:7301': api }), tools);
      const answer = JSON.parse(issued) as { access_token: string; url: string };
      expect(Object.keys(answer)).toEqual(Object.keys(JSON.parse(block('json', 'access_token'))));

      const download = put(block('sh', 'ps_…'), { '127.0.0.1:8080': `127.0.0.1:${nginx.port}` });
      expect(await shell(put(download, { 'ps_…': answer.access_token }), tools)).toBe('hello\n');
      expect(await shell(download, tools)).toContain('"missing_token"');
    },
    60 * SECONDS,
  );
});
