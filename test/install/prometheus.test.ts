import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot, textOf } from '../harness/paths.ts';
import { freePorts, onFreePorts } from '../harness/ports.ts';
import { launch } from '../harness/process.ts';
import { tryRun } from '../harness/run.ts';
import { startService } from '../harness/service.ts';
import { waitFor } from '../harness/wait.ts';
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

test('Prometheus reads each metric, and evaluates each alert', async (context) => {
  const [delivery] = await freePorts(1);
  const env = { ...ENV, POSTERN_DELIVERY_LISTEN: `127.0.0.1:${delivery}` };
  const postern = await forTest(startService({ env }));
  await askGate(postern, '/download/a.txt');

  const prometheus = await startPrometheus(postern.apiPort, context);
  type Rule = { name: string; health: string; lastError?: string; state: string };
  const evaluated = await waitFor(
    async () => {
      const { groups } = await prometheus.get<{ groups: Array<{ rules: Rule[] }> }>('rules');
      const all = groups.flatMap((group) => group.rules);
      return all.length > 5 && all.every(({ health }) => health !== 'unknown') && all;
    },
    { what: 'Prometheus to evaluate the alerts' },
  );
  for (const rule of evaluated) expect(rule).toMatchObject({ health: 'ok', state: 'inactive' });

  const names = await prometheus.get<string[]>('label/__name__/values');
  const page = textOf('docs/operate/monitoring.md');
  // It begins with the first bytes that nginx reports.
  const later = ['postern_delivered_bytes_total'];
  for (const [, metric = ''] of page.matchAll(/^\| `((?:postern|process|nodejs)_\w+)` \|/gm)) {
    if (later.includes(metric)) continue;
    expect(
      names.some((name) => name.replace(/_(bucket|sum|count)$/, '') === metric),
      metric,
    ).toBe(true);
  }
  const query = 'query?query=postern_decisions_total%7Bcode%3D%22missing_token%22%7D';
  const { result } = await prometheus.get<{ result: Array<{ value: [number, string] }> }>(query);
  expect(result.map(({ value }) => value[1])).toContain('1');

  await postern.stop();
  const states = async () => {
    const { alerts } = await prometheus.get<{ alerts: Array<{ labels: { alertname: string } }> }>(
      'alerts',
    );
    return alerts.map(({ labels }) => labels.alertname);
  };
  await expect.poll(states).toContain('PosternDown');
});

/** Starts Prometheus with the configuration of docs/operate/monitoring.md, but a scrape each second. */
async function startPrometheus(target: number, context: Parameters<typeof needTool>[1]) {
  const { path, env } = await needTool('prometheus', context);
  return onFreePorts(1, async ([port]) => {
    const folder = await folderForTest();
    const scrape = docsBlock('operate/monitoring.md', 'scrape_configs:');
    const targets = /targets: \[.*\]/;
    expect(scrape).toMatch(targets);
    const text = [
      'global: { scrape_interval: 1s, evaluation_interval: 1s }',
      scrape.replace(targets, `targets: ["127.0.0.1:${target}"]`),
      docsBlock('operate/monitoring.md', 'rule_files:'),
    ];
    await writeFile(join(folder, 'prometheus.yml'), text.join('\n'));
    await cp(RULES, join(folder, 'postern.rules.yaml'));
    const args = [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    const running = launch({ name: 'prometheus', path, args, env: { ...process.env, ...env } });
    const prometheus = await forTest(running);
    async function get<T>(path: string): Promise<T> {
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
      return ((await response.json()) as { data: T }).data;
    }
    const isUp = () =>
      get<{ result: Array<{ value: [number, string] }> }>('query?query=up').then(
        ({ result }) => result.some(({ value }) => value[1] === '1'),
        () => false,
      );
    await prometheus.ready(isUp, { what: 'Prometheus to read the metrics' });
    return { get };
  });
}
