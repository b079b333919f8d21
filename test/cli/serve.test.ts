import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { projectRoot } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { type Command, ExitedEarly, launch } from '../harness/process.ts';
import { program } from './postern.ts';

async function serve(env: NodeJS.ProcessEnv, args = [program, 'serve']) {
  const ports = await freePorts(2);
  const command: Command = {
    name: 'postern serve',
    path: process.execPath,
    args,
    env: {
      PATH: process.env.PATH,
      POSTERN_MOUNTS: '/download/=/protected/',
      POSTERN_API_KEYS: 'web:a-key-for-the-tests-only',
      POSTERN_LISTEN: `127.0.0.1:${ports[0]}`,
      POSTERN_API_LISTEN: `127.0.0.1:${ports[1]}`,
      ...env,
    },
  };
  const running = await launch(command);
  onTestFinished(async () => void (await running.stop()));
  await running.ready(() => running.stdout().includes('"listening"'), { what: 'the service' });
  return { ...running, api: `http://127.0.0.1:${ports[1]}` };
}

test('serve: answers requests, and exits with 0 on SIGTERM', async () => {
  const service = await serve({});
  expect((await fetch(`${service.api}/readyz`)).status).toBe(200);
  service.signal('SIGTERM');
  expect(await service.exited).toEqual({ code: 0, signal: null });
  expect(service.stderr()).toBe('');
});

test('serve: reports configuration errors, and exits with 2', async () => {
  const failed = await serve({ POSTERN_MOUNTS: '/a/=/a/' }).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(ExitedEarly);
  expect((failed as ExitedEarly).exit.code).toBe(2);
  expect((failed as ExitedEarly).stderr).toContain('POSTERN_MOUNTS');
});

test.each([
  ['postern serve', [program, 'serve']],
  ['dist/service/main.js', [join(projectRoot, 'dist', 'service', 'main.js')]],
])('serve: SIGUSR1 does not start the debugger of %s', async (_, args) => {
  const service = await serve({}, args);
  service.signal('SIGUSR1');
  // Node would print the port of the debugger.
  for (let i = 0; i < 20; i += 1) expect((await fetch(`${service.api}/livez`)).status).toBe(200);
  expect(service.stderr()).toBe('');
  service.signal('SIGTERM');
  expect(await service.exited).toEqual({ code: 0, signal: null });
  expect(service.stderr()).toBe('');
});
