import { readFileSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../service/config/config.ts';
import { docsBlock } from '../docs/blocks.ts';
import { findHelm } from '../harness/helm.ts';
import { startNginx } from '../harness/nginx.ts';
import { projectRoot } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { tryRun } from '../harness/run.ts';
import { startService } from '../harness/service.ts';
import { askApi } from '../support/ask-service.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { KEY } from '../support/postern.ts';
import { ALL, CHART, one, REQUIRED, render, template } from './chart.ts';
import { misfits } from './manifests.ts';

// Helm is downloaded if it is not installed.
beforeAll(findHelm, 180_000);

test('Helm: the version of the chart is the version of Postern', () => {
  const { version, appVersion } = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8'));
  const postern = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));
  expect([version, appVersion]).toEqual([postern.version, postern.version]);
});

test.each([
  ['few values', REQUIRED],
  ['all values', ALL],
])('Helm: with %s, each manifest is valid, without an unknown field', async (_, values) => {
  const manifests = await render(values);
  expect(manifests.length).toBeGreaterThanOrEqual(7);
  expect(await misfits(manifests)).toEqual([]);
  // The names of the container's variables must not be Postern's.
  const { template } = one(manifests, 'Deployment').spec;
  expect(template.spec.enableServiceLinks).toBe(false);
});

test('Helm: an unknown field, or one of another type, in a manifest is found', async () => {
  const manifests = await render(REQUIRED);
  const deployment = one(manifests, 'Deployment');
  deployment.spec.template.spec.containers[0].readinesProbe = {};
  one(manifests, 'PodDisruptionBudget').spec.maxUnavailable = [];
  const [route] = (await render(ALL)).filter(({ kind }) => kind === 'HTTPRoute');
  if (route !== undefined) route.spec.rules[0].timeouts = { request: 'soon', requests: '1s' };
  const found = (await misfits([...manifests, ...(route ? [route] : [])])).join('\n');
  for (const name of ['readinesProbe', 'maxUnavailable', 'timeouts/request', '"requests"'])
    expect(found).toContain(name);
});

test.each([
  ['no image', { ...REQUIRED, image: {} }, 'repository'],
  ['no secret', { ...REQUIRED, secret: '' }, 'secret'],
  ['an unknown value', { ...REQUIRED, replicaCount: 3 }, 'replicaCount'],
  ['a listener', { ...REQUIRED, config: { listen: '0.0.0.0:7300' } }, 'config'],
  [
    'nginx in a prefix',
    { ...REQUIRED, mounts: [{ public: '/a/ { }', internal: '/b/' }] },
    'mounts',
  ],
  [
    'an ingress whose addresses nginx does not know',
    { ...REQUIRED, ingress: { enabled: true } },
    'trustedProxies',
  ],
  [
    'a route without a gateway',
    { ...REQUIRED, nginx: ALL.nginx, httpRoute: { enabled: true } },
    'parentRefs',
  ],
  ['nginx in a name', { ...REQUIRED, nginx: { serverName: 'a; root /' } }, 'serverName'],
])('Helm: rejects %s', async (_, values, name) => {
  const { ok, text } = await template(values);
  expect(ok).toBe(false);
  expect(text).toContain(name);
});

test('Helm: no container runs as root, writes to its root, or has a capability', async () => {
  const { spec } = one(await render(REQUIRED), 'Deployment').spec.template;
  expect(spec.securityContext).toMatchObject({
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  });
  expect(spec.automountServiceAccountToken).toBe(false);
  for (const { securityContext, resources } of spec.containers) {
    expect(securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(securityContext.runAsUser).toBeGreaterThan(0);
    expect(resources.limits.memory).toBeDefined();
  }
});

test('Helm: the gate has no port, and only the site is open to everybody', async () => {
  const manifests = await render(REQUIRED);
  const { spec } = one(manifests, 'Deployment').spec.template;
  const ports = spec.containers.flatMap(({ ports }: { ports: object[] }) => ports);
  expect(ports.map(({ name }: { name: string }) => name)).toEqual(['http', 'api', 'metrics']);
  const { ingress } = one(manifests, 'NetworkPolicy').spec;
  const open = ingress.filter(({ from }: { from?: object[] }) => from === undefined);
  expect(open).toEqual([{ ports: [{ port: 'http' }] }]);
  const [nobody] = await render({ ...REQUIRED, networkPolicy: { apiFrom: [], metricsFrom: [] } });
  expect(nobody?.spec.ingress).toEqual([{ ports: [{ port: 'http' }] }]);
});

test('Helm: an ingress and a route are off by default, and lead only to the public prefixes', async () => {
  const kinds = (await render(REQUIRED)).map(({ kind }) => kind);
  expect(kinds.filter((kind) => ['Ingress', 'HTTPRoute'].includes(kind))).toEqual([]);
  const mounts = [
    { public: '/download/', internal: '/protected/' },
    { public: '/media/', internal: '/media-files/', folder: '/media/' },
  ];
  const manifests = await render({ ...ALL, mounts });
  const service = { name: 'test-postern', port: { name: 'http' } };
  const paths = ['/download/', '/media/'].map((path) => ({
    ...{ path, pathType: 'Prefix', backend: { service } },
  }));
  expect(one(manifests, 'Ingress').spec.rules).toEqual([
    { host: 'files.example', http: { paths } },
  ]);
  const matches = paths.map(({ path }) => ({ path: { type: 'PathPrefix', value: path } }));
  expect(one(manifests, 'HTTPRoute').spec).toEqual({
    parentRefs: ALL.httpRoute.parentRefs,
    hostnames: ['files.example'],
    rules: [
      { matches, backendRefs: [{ name: 'test-postern', port: 80 }], timeouts: { request: '0s' } },
    ],
  });
  const { ports } = one(manifests, 'Service').spec;
  expect(ports).toEqual([{ name: 'http', port: 80, targetPort: 'http' }]);

  const every = { ...ALL, nginx: { ...ALL.nginx, serverName: '_' } };
  const open = await render({ ...every, httpRoute: { ...ALL.httpRoute, timeouts: null } });
  expect(one(open, 'HTTPRoute').spec).not.toHaveProperty('hostnames');
  expect(one(open, 'HTTPRoute').spec.rules[0]).not.toHaveProperty('timeouts');
  expect(one(open, 'Ingress').spec.rules[0]).not.toHaveProperty('host');
});

test('docs: the HTTPRoute of the page is that of the chart, and the values of the other page are valid', async () => {
  const page = parse(docsBlock('guides/behind-another-proxy.md', 'kind: HTTPRoute'));
  expect(await misfits([page])).toEqual([]);
  const gateway = { ...ALL.httpRoute, parentRefs: [{ name: 'gateway' }] };
  expect(page.spec).toEqual(
    one(
      await render({ ...ALL, nameOverride: 'postern', httpRoute: gateway }),
      'HTTPRoute',
      'postern',
    ).spec,
  );
  const values = parse(docsBlock('guides/from-ingress-nginx.md', 'httpRoute:'));
  const own = await render({ ...REQUIRED, ...values });
  expect(one(own, 'HTTPRoute').spec.parentRefs).toEqual(values.httpRoute.parentRefs);
  expect(one(own, 'ConfigMap').data['nginx.conf']).toContain('set_real_ip_from 10.42.0.0/16;');
  const { ingress } = parse('{ ingress: { enabled: true, className: traefik } }');
  expect(
    one(await render({ ...REQUIRED, nginx: values.nginx, ingress }), 'Ingress').spec,
  ).toMatchObject({
    ingressClassName: 'traefik',
  });
});

describe('Helm: the pod, started without Kubernetes', () => {
  test('sends a file only with its token, over the socket that its containers share', async () => {
    const values = { ...ALL, config: { ...ALL.config, store: 'memory:' } };
    const manifests = await render(values);
    const folder = await folderForTest();
    const config = one(manifests, 'ConfigMap').data as Record<string, string>;
    const { volumes } = one(manifests, 'Deployment').spec.template.spec;

    // startNginx has the snippets of this project, which are those of the volume.
    const snippets = one(manifests, 'ConfigMap', 'test-postern-snippets').data;
    const { items } = volumes.find(({ name }: { name: string }) => name === 'snippets').configMap;
    expect(items).toHaveLength(Object.keys(snippets).length);
    for (const { key, path } of items) {
      const own = join(projectRoot, 'nginx', 'snippets', path);
      expect(snippets[key], path).toBe(await readFile(own, 'utf8'));
    }
    await mkdir(join(folder, 'files'));
    await writeFile(join(folder, 'files', 'hello.txt'), 'hello');

    const [api = 0, metrics] = await freePorts(2);
    const gate = `unix:${folder}/gate.sock`;
    const yaml = join(folder, 'postern.yaml');
    await writeFile(yaml, config['postern.yaml'] ?? '');
    await forTest(
      startService({
        env: {
          POSTERN_CONFIG: yaml,
          POSTERN_LISTEN: gate,
          POSTERN_API_LISTEN: `127.0.0.1:${api}`,
          POSTERN_METRICS_LISTEN: `127.0.0.1:${metrics}`,
          POSTERN_API_KEYS: `web:${KEY}`,
        },
      }),
    );
    expect((await fetch(`http://127.0.0.1:${metrics}/readyz`)).status).toBe(200);

    const nginx = await startNginx({
      config: ({ port, dir }) =>
        (config['nginx.conf'] ?? '')
          .replaceAll('/tmp/', `${dir}/`)
          .replace('unix:/run/postern/gate.sock', gate)
          .replace('listen 8080;', `listen 127.0.0.1:${port};`)
          .replaceAll('/srv/files/', `${folder}/files/`)
          .replace('/run/postern-decisions', `${dir}/decisions`)
          .replace('/dev/stdout', `${dir}/access.log`)
          .replace('/dev/stderr', `${dir}/error.log`),
    });
    onTestFinished(nginx.stop);
    const asked = { json: { path: '/download/hello.txt' } };
    const { url } = (await askApi({ apiPort: api }, 'POST /tokens', asked)).body;
    expect(url).toMatch(/^https:\/\/files\.example\//);
    const { pathname, search } = new URL(url);
    expect(await (await fetch(nginx.url(pathname + search))).text()).toBe('hello');
    expect((await fetch(nginx.url('/download/hello.txt'))).status).toBe(401);
    expect((await fetch(nginx.url('/protected/hello.txt'))).status).toBe(404);
    expect((await fetch(nginx.url('/healthz'))).status).toBe(204);
    expect((await fetch(nginx.url('/robots.txt'))).status).toBe(410);
    const program = join(projectRoot, 'dist', 'cli', 'postern.js');
    await writeFile(join(folder, 'nginx.conf'), config['nginx.conf'] ?? '');
    await writeFile(join(folder, 'mime.types'), '');
    await symlink(join(projectRoot, 'nginx', 'snippets'), join(folder, 'postern'));
    const mounts = ['--mounts', '/download/=/protected/'];
    const doctor = [program, 'doctor', '--config', join(folder, 'nginx.conf'), ...mounts];
    // The folder of the files is only in the pod.
    const { ok, output } = await tryRun(process.execPath, doctor);
    expect([ok, output]).toEqual([true, expect.not.stringMatching(/^[?✗] /m)]);
  });

  test('never stores tokens in memory by default', async () => {
    const file = one(await render(REQUIRED), 'ConfigMap').data['postern.yaml'];
    const env = { POSTERN_CONFIG: 'x', POSTERN_API_KEYS: `web:${KEY}` };
    expect(loadConfig(env, () => file).store.url).toBe('redis://redis:6379/0');
    expect(loadConfig({ ...env, POSTERN_STORE: 'redis://other' }, () => file).store.url).toBe(
      'redis://other',
    );
  });
});
