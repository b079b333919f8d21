import { expect, onTestFinished, test } from 'vitest';
import { startService } from '../harness/service.ts';
import { CONFIG, configFile } from '../support/reloading.ts';
import { postern } from './postern.ts';

test('health: exits with 0 if each listener answers, and names those that do not', async () => {
  const { folder, path } = await configFile(CONFIG);
  const own = { POSTERN_CONFIG: path, POSTERN_LISTEN: `unix:${folder}/gate.sock` };
  const service = await startService({ env: own });
  onTestFinished(async () => void (await service.stop()));
  const env = { ...own, POSTERN_API_LISTEN: `127.0.0.1:${service.apiPort}` };
  expect(await postern(['health'], folder, { env })).toEqual({ code: 0, stdout: '', stderr: '' });

  const wrong = { ...env, POSTERN_LISTEN: `unix:${folder}/other.sock` };
  expect(await postern(['health'], folder, { env: wrong })).toEqual({
    code: 1,
    stdout: '',
    stderr: `postern: the gate at unix:${folder}/other.sock does not answer: connect ENOENT ${folder}/other.sock\n`,
  });

  await service.stop();
  const { code, stderr } = await postern(['health'], folder, { env });
  expect(code).toBe(1);
  expect(stderr).toContain(`postern: the API at 127.0.0.1:${service.apiPort} does not answer: `);
});
