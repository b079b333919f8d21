import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { createMetrics } from '../../service/metrics/metrics.ts';
import { createMemoryStore } from '../../service/store/memory.ts';
import { textOf } from '../harness/paths.ts';
import { metricsOf } from '../support/samples.ts';

interface Dashboard {
  readonly templating: { readonly list: ReadonlyArray<{ name: string; type: string }> };
  readonly panels: ReadonlyArray<{
    id: number;
    title: string;
    datasource: { uid: string };
    targets: ReadonlyArray<{ expr: string; datasource: { uid: string } }>;
  }>;
}

const page = textOf('docs/operate/monitoring.md');
const dashboard = JSON.parse(textOf('docs/operate/grafana-dashboard.json')) as Dashboard;
const { rules } = parse(textOf('deploy/prometheus/postern.rules.yaml')).groups[0] as {
  rules: Array<{ alert: string; expr: string; labels: { severity: string } }>;
};
const OURS = /\b(?:postern|process|nodejs)_[a-z0-9_]+/g;

let text: string;
/** Each name of a series. */
let names: string[];
/** Those of Postern itself: the others are the library's. */
let metrics: string[];
beforeAll(async () => {
  const made = createMetrics({ version: '0.0.0', node: 'v20.0.0' });
  made.watchProcess();
  made.measuredStore(createMemoryStore());
  const sent = { id: '', client: 'web', mount: '/download/', requests: 1, bytes: 1 };
  made.bytesRecorder(new Set(['web']), new Set(['/download/']))(sent);
  text = await made.text();
  metrics = [...metricsOf(text).keys()].filter((name) => name.startsWith('postern_'));
  names = [...metricsOf(text)].flatMap(([name, type]) =>
    type === 'histogram' ? ['_bucket', '_sum', '_count'].map((part) => name + part) : [name],
  );
});

/** A query names only metrics, labels and values that exist. */
function expectKnown(query: string): void {
  const named = query.match(OURS) ?? [];
  expect(named.length, query).toBeGreaterThan(0);
  for (const name of named) expect(names, query).toContain(name);
  for (const [, label, value] of query.matchAll(/(mode|code|format|operation)!?="([^"]*)"/g)) {
    expect(text, query).toContain(`${label}="${value}"`);
  }
  for (const [, labels = ''] of query.matchAll(/\bby \(([^)]*)\)/g)) {
    for (const label of labels.split(', ')) expect(text, query).toMatch(`${label}="`);
  }
}

describe('docs/operate/grafana-dashboard.json', () => {
  const { panels, templating } = dashboard;

  test('queries only metrics that exist', () => {
    for (const { targets } of panels) for (const { expr } of targets) expectKnown(expr);
  });

  test('shows each metric', () => {
    const shown = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join('\n');
    for (const name of metrics) expect(shown).toContain(name);
  });

  test('takes its data source from the Grafana that imports it', () => {
    expect(templating.list[0]).toMatchObject({ name: 'datasource', type: 'datasource' });
    for (const { datasource, targets } of panels) {
      for (const { uid } of [datasource, ...targets.map((target) => target.datasource)]) {
        expect(uid).toMatch(/^\$\{datasource\}$/);
      }
    }
  });

  test('has no panel twice', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  });
});

describe('docs/operate/monitoring.md', () => {
  test('has each metric in its table, and no other', () => {
    const rows = page.match(/^\| `postern_.*$/gm) ?? [];
    const listed = rows.flatMap((row) => row.split('|')[1]?.match(OURS) ?? []);
    expect(listed.sort()).toEqual([...metrics].sort());
    for (const name of page.match(/\b(?:process|nodejs)_[a-z0-9_]+/g) ?? []) {
      expect(names).toContain(name);
    }
  });

  test('has each alert in its table, with its severity, and no other', () => {
    const rows = [...page.matchAll(/^\| `(Postern\w+)` \| (\w+) \|/gm)];
    expect(rows.map(([, alert, severity]) => [alert, severity])).toEqual(
      rules.map(({ alert, labels }) => [alert, labels.severity]),
    );
  });
});

describe('deploy/prometheus/postern.rules.yaml', () => {
  test('alerts only on metrics that exist', () => {
    // These have metrics of Prometheus and of redis_exporter.
    const others = ['PosternDown', 'PosternRedisMemory'];
    for (const { alert, expr } of rules) if (!others.includes(alert)) expectKnown(expr);
  });
});
