import { existsSync, readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, type TestContext, test } from 'vitest';
import { TABLE } from '../../service/config/settings.ts';
import { projectRoot } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';
import { folderForTest } from '../support/for-test.ts';
import { isRoot } from '../support/need-root.ts';
import { needTool } from '../support/need-tool.ts';

const UNITS = join(projectRoot, 'deploy', 'systemd');
const PROCESS = 'postern@.service';
const SOCKETS = ['postern-gate.socket', 'postern-api.socket', 'postern-delivery.socket'];

const unit = (name: string) => readFileSync(join(UNITS, name), 'utf8');

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

test('systemd: systemd-analyze verify accepts the units', async (context) => {
  const folder = await folderForTest();
  const names = await readdir(UNITS);
  // It looks for the programs of a unit.
  for (const name of names) {
    const text = unit(name).replaceAll('/usr/bin/node', process.execPath);
    await writeFile(join(folder, name), text);
  }
  const instances = names.map((name) =>
    name.replace('socket@', 'socket@gate').replace('@.', '@1.'),
  );
  const paths = instances.map((name) => join(folder, name));
  // For an unknown setting it only warns.
  expect(await analyze(context, 'verify', '--man=no', ...paths)).toEqual({ ok: true, output: '' });
});

test('systemd: systemd-analyze security rates the service 3.0 or better', async (context) => {
  const args = ['--offline=true', '--threshold=30', '--no-pager', join(UNITS, PROCESS)];
  const { ok, output } = await analyze(context, 'security', ...args);
  expect(ok, output).toBe(true);
  expect(output).toContain('Overall exposure level');
});

async function analyze(context: Pick<TestContext, 'skip'>, ...args: string[]) {
  const { path, env } = await needTool('systemd-analyze', context);
  if (!isRoot && !existsSync('/run/systemd'))
    context.skip('without systemd, only root can do this');
  return tryRun(path, args, env);
}

test('systemd: the sockets are the defaults of Postern, and the process has the first two', () => {
  const addresses = SOCKETS.map((name) => [
    values(name, 'FileDescriptorName').join(),
    [...values(name, 'ListenStream'), ...values(name, 'ListenDatagram')].join(),
  ]);
  expect(addresses).toEqual([
    ['gate', String(TABLE.listen.def.defaultValue).slice('unix:'.length)],
    ['api', TABLE.api_listen.def.defaultValue],
    ['delivery', '127.0.0.1:7302'],
  ]);
  expect(values(PROCESS, 'Sockets')).toEqual(['postern-gate.socket postern-api.socket']);
  expect(values('postern-gate.socket', 'SocketMode')).toEqual(['0660']);
  // The group of the user could read the configuration.
  expect(values('postern-gate.socket', 'SocketGroup')).toEqual(['postern-gate']);
});

test('systemd: a connection starts no process, and a process that fails closes no socket', () => {
  for (const name of SOCKETS) {
    // systemd opens no socket whose service is active, so sockets must not share one.
    const own = name.replace('-', '-socket@').replace('.socket', '.service');
    expect(values(name, 'Service')).toEqual([own]);
    expect(values(name, 'TriggerLimitIntervalSec')).toEqual(['0']);
  }
  expect(values('postern-socket@.service', 'PartOf')).toEqual(['postern-%i.socket']);
  // systemd closes the sockets of a service that reaches its limit.
  expect(values(PROCESS, 'StartLimitIntervalSec')).toEqual(['0']);
  // It would be removed with the first process that stops.
  expect(values(PROCESS, 'RuntimeDirectory')).toEqual([]);
});

test('systemd: a reload checks the configuration, then sends SIGHUP', () => {
  const [start = ''] = values(PROCESS, 'ExecStart');
  expect(values(PROCESS, 'ExecReload')).toEqual([
    start.replace('dist/service/main.js', 'dist/cli/postern.js check'),
    '/bin/kill -HUP $MAINPID',
  ]);
  // systemd takes the death by this signal, before the service handles it, for a clean exit.
  expect(values(PROCESS, 'RestartForceExitStatus')).toEqual(['SIGHUP']);
});
