import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SETTINGS, variableOf } from '../../service/config/settings.ts';
import { projectRoot, textOf } from '../harness/paths.ts';
import { postern, program } from '../support/cli/postern.ts';
import { fieldsOf } from '../support/fixtures.ts';

const run = (line: string) => postern(line.split(' ').filter(Boolean), projectRoot);
const page = ['reference/cli.md', 'operate/doctor.md'].map((name) => textOf(`docs/${name}`)).join();
const manifest = JSON.parse(textOf('package.json'));

test('bin in package.json names an executable file', () => {
  expect(join(projectRoot, manifest.bin.postern)).toBe(program);
  expect(readFileSync(program, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  accessSync(program, constants.X_OK);
});

test('--help: a closed standard output is not an error', async () => {
  const child = spawn(process.execPath, [program, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test.each(['serve --help', 'check -h', 'help check'])('%s lists every setting', async (line) => {
  const { code, stdout } = await run(line);
  expect(code).toBe(0);
  for (const name of SETTINGS)
    expect(stdout).toMatch(new RegExp(`^  ${variableOf(name)} +\\S`, 'm'));
  expect(stdout).toMatch(/^ {2}POSTERN_EXPIRES_IN +lifetime of a token, .* \(default: 120\)$/m);
  expect(stdout).not.toMatch(/`|\]\(/);
});

test('--version: prints the version of package.json', async () => {
  expect(await run('--version')).toMatchObject({ code: 0, stdout: `${manifest.version}\n` });
});

test.each(fieldsOf('usage-errors.txt'))(
  'a usage error exits with 2: %s: postern %s',
  async (says, line = '') => {
    const { code, stdout, stderr } = await run(line);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(says);
    expect(stderr).toContain('--help');
  },
);

const COMMANDS = [
  ...['', 'serve', 'check', 'health', 'nginx', 'key', 'key generate', 'key list', 'doctor'],
  ...['token', 'token issue', 'token show', 'token explain', 'token introspect', 'token prolong'],
  ...['token revoke', 'token list'],
];

test.each(COMMANDS)(
  'postern %s --help has an example, and docs/reference/cli.md or doctor.md has its options',
  async (command) => {
    const { code, stdout, stderr } = await run(`${command} --help`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).not.toContain('[]');
    expect(stdout).toMatch(
      /\nExample:\n {2}.*\bpostern (serve|check|health|key |token |nginx |doctor )/,
    );
    if (command !== '') expect(page).toContain(`\`postern ${command}`);
    for (const option of stdout.match(/(?<=^ {2})--[a-z-]+/gm) ?? [])
      expect(page).toContain(option);
  },
);
