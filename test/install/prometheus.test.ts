import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';
import { startService } from '../harness/service.ts';
import { askGate, ENV } from '../support/ask-service.ts';
import { docsBlock } from '../support/docs/blocks.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { needTool } from '../support/need-tool.ts';

const RULES = join(projectRoot, 'deploy', 'prometheus', 'postern.rules.yaml');

test('alerts: promtool accepts the rules, and each alert fires only for its cause', async (context) => {
  const { path, env } = await needTool('promtool', context);
  expect(await tryRun(path, ['check', 'rules', '--lint-fatal', RULES], env)).toMatchObject({
    ok: true,
  });
  const tests = join(projectRoot, 'test', 'install', 'alerts.yaml');
  expect(await tryRun(path, ['test', 'rules', tests], env)).toMatchObject({ ok: true });
  const alerts = [...(await readFile(RULES, 'utf8')).matchAll(/alert: (\w+)/g)];
  for (const [, alert] of alerts) {
    expect(await readFile(tests, 'utf8')).toMatch(`alertname: ${alert}\n        exp_alerts:`);
  }
});

test('promtool accepts the metrics, and the configuration of docs/operate/monitoring.md', async (context) => {
  const { path, env } = await needTool('promtool', context);
  const folder = await folderForTest();
  const postern = await forTest(startService({ env: ENV }));
  await askGate(postern, '/download/a.txt');
  const metrics = await fetch(`http://127.0.0.1:${postern.apiPort}/metrics`);
  await writeFile(join(folder, 'metrics.txt'), await metrics.text());
  const check = ['-c', '"$0" check metrics < "$1"', path, join(folder, 'metrics.txt')];
  const { output } = await tryRun('/bin/sh', check, env);
  // It warns of names that the library chose.
  expect(output.replace(/^nodejs_active_.*\n/gm, '')).toBe('');

  const blocks = ['scrape_configs:', 'rule_files:'];
  const text = blocks.map((start) => docsBlock('operate/monitoring.md', start)).join('\n');
  await writeFile(join(folder, 'prometheus.yml'), text);
  await cp(RULES, join(folder, 'postern.rules.yaml'));
  const config = ['check', 'config', join(folder, 'prometheus.yml')];
  expect(await tryRun(path, config, env)).toMatchObject({ ok: true });
});
