import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, type TestContext, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { directives, parseNginx, printed } from '../cli/nginx/machine.ts';
import { projectRoot } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';
import { folderForTest } from '../support/for-test.ts';
import { isRoot } from '../support/need-root.ts';
import { needTool } from '../support/need-tool.ts';

const UNITS = ['postern.service', 'postern@.service'];

const unit = (name: string) => readFileSync(join(projectRoot, 'deploy', 'systemd', name), 'utf8');

/** The lines that are neither empty nor a comment. */
function lines(name: string): string[] {
  return unit(name)
    .split('\n')
    .filter((line) => /^[^#;]/.test(line));
}

/** The values of a setting, in order. */
function values(name: string, setting: string): string[] {
  return lines(name)
    .filter((line) => line.startsWith(`${setting}=`))
    .map((line) => line.slice(setting.length + 1));
}

test.for(UNITS)('systemd: systemd-analyze verify accepts %s', async (name, context) => {
  const folder = await folderForTest();
  const path = join(folder, name);
  // It looks for the programs of a unit.
  await writeFile(path, unit(name).replaceAll('/usr/bin/node', process.execPath));
  // For an unknown setting it only warns.
  expect(await analyze(context, 'verify', '--man=no', path)).toEqual({ ok: true, output: '' });
});

test.for(UNITS)(
  'systemd: systemd-analyze security rates %s 3.0 or better',
  async (name, context) => {
    const path = join(projectRoot, 'deploy', 'systemd', name);
    const args = ['--offline=true', '--threshold=30', '--no-pager', path];
    const { ok, output } = await analyze(context, 'security', ...args);
    expect(ok, output).toBe(true);
    expect(output).toContain('Overall exposure level');
  },
);

async function analyze(context: Pick<TestContext, 'skip'>, ...args: string[]) {
  const { path, env } = await needTool('systemd-analyze', context);
  if (!isRoot && !existsSync('/run/systemd'))
    context.skip('without systemd, only root can do this');
  return tryRun(path, args, env);
}

test('systemd: the units differ only in what distinguishes instances', () => {
  const [one, several] = UNITS.map(lines) as [string[], string[]];
  expect(one.filter((line) => !several.includes(line))).toEqual([
    ...['Description=Postern', 'ExecStart=/usr/bin/node dist/service/main.js'],
    ...['ExecReload=/usr/bin/node dist/cli/postern.js check', 'RuntimeDirectory=postern'],
  ]);
  expect(several.filter((line) => !one.includes(line))).toEqual([
    'Description=Postern %i',
    'EnvironmentFile=-/etc/postern/%i.env',
    'ExecStart=/usr/bin/env POSTERN_LISTEN=unix:/run/postern-%i/gate.sock /usr/bin/node dist/service/main.js',
    'ExecReload=/usr/bin/env POSTERN_LISTEN=unix:/run/postern-%i/gate.sock /usr/bin/node dist/cli/postern.js check',
    'RuntimeDirectory=postern-%i',
  ]);
});

test('systemd: the files of an instance come after the shared ones, and replace them', () => {
  expect(values('postern@.service', 'EnvironmentFile')).toEqual([
    '/etc/postern/postern.env',
    '-/etc/postern/%i.env',
  ]);
});

test.each(UNITS)('systemd: only the group can reach the socket of %s', (name) => {
  expect(values(name, 'RuntimeDirectoryMode')).toEqual(['0750']);
  // The mode of the socket is the default of Postern.
  const env = {
    POSTERN_MOUNTS: '/download/=/protected/',
    POSTERN_API_KEYS: `web:${'k'.repeat(16)}`,
  };
  expect(loadConfig(env, () => '').socketMode).toBe(0o660);
  expect(unit(name)).not.toContain('SOCKET_MODE');
});

test.each(UNITS)('systemd: a reload of %s checks the configuration, then sends SIGHUP', (name) => {
  const [check = '', ...others] = values(name, 'ExecReload');
  expect(others).toEqual(['/bin/kill -HUP $MAINPID']);
  const [start = ''] = values(name, 'ExecStart');
  expect(check).toBe(start.replace('dist/service/main.js', 'dist/cli/postern.js check'));
  // systemd takes the death by this signal, before the service handles it, for a clean exit.
  expect(values(name, 'RestartForceExitStatus')).toEqual(['SIGHUP']);
});

test('systemd: postern nginx --instances names the sockets of the instances', () => {
  const [start = ''] = values('postern@.service', 'ExecStart');
  const [, socket = ''] = /\bPOSTERN_LISTEN=(\S+)/.exec(start) ?? [];
  const [upstream] = directives(parseNginx(printed({ instances: '3' })), 'upstream');
  const servers = upstream?.block?.filter(({ words }) => words[0] === 'server') ?? [];
  expect(servers.map(({ words }) => words[1])).toEqual(
    ['1', '2', '3'].map((i) => socket.replace('%i', i)),
  );
});
