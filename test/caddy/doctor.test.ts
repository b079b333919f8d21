import { afterAll, beforeAll, expect, test } from 'vitest';
import { tryRun } from '../../dev/run.ts';
import { program } from '../cli/postern.ts';
import { apiListener, KEY, type Listening, listening } from '../support/postern.ts';
import { type CaddySite, startCaddySite } from './site.ts';

const CANARY = 'the canary, which only a token opens: 3b1f6d0c9a\n';

let site: CaddySite;
let api: Listening;
beforeAll(async () => {
  site = await startCaddySite({ files: { 'postern-doctor/canary.txt': CANARY } });
  api = await listening(apiListener(site.postern.api));
});
afterAll(async () => {
  await Promise.all([api.stop(), site.stop()]);
});

test('Caddy: postern doctor finds no way around the gate', async () => {
  const words = [
    'doctor',
    'http://files.example/',
    '--connect',
    `127.0.0.1:${site.port}`,
    '--json',
  ];
  const options = ['--api', `http://127.0.0.1:${api.port}`, '--internal', '/protected/'];
  const env = { POSTERN_API_KEY: KEY };
  const { output } = await tryRun(process.execPath, [program, ...words, ...options], env);
  const { checks } = JSON.parse(output) as { checks: Array<{ verdict: string }> };
  expect(checks.filter(({ verdict }) => verdict === 'failed')).toEqual([]);
  expect(checks.filter(({ verdict }) => verdict === 'ok').length).toBeGreaterThan(20);
});
