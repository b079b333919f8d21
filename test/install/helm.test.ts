import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../service/config/config.ts';
import { findHelm } from '../harness/helm.ts';
import { projectRoot, textOf } from '../harness/paths.ts';
import { startRedis } from '../harness/redis.ts';
import { tryRun } from '../harness/run.ts';
import { S3_ACCESS_KEY, S3_REGION, S3_SECRET_KEY, startS3 } from '../harness/s3.ts';
import { askApi } from '../support/ask-service.ts';
import { docsBlock } from '../support/docs/blocks.ts';
import { forTest } from '../support/for-test.ts';
import { ALL, CHART, one, REQUIRED, render, template } from '../support/install/chart.ts';
import { misfits } from '../support/install/manifests.ts';
import { startPod } from '../support/install/pod.ts';
import { FIELDS, OVERRIDES } from '../support/load-config.ts';
import { KEY } from '../support/postern.ts';

// Helm is downloaded if it is not installed.
beforeAll(findHelm, 180_000);

test('Helm: the version of the chart is the version of Postern', () => {
  const { version, appVersion } = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8'));
  const postern = JSON.parse(textOf('package.json'));
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

const route = { nginx: ALL.nginx, httpRoute: { enabled: true } };
const policy = (cidr: string) => ({ networkPolicy: { egress: [{ to: [{ ipBlock: { cidr } }] }] } });

test.each<[string, object, string]>([
  ['no image', { image: {} }, 'repository'],
  ['no volume for a mount without a bucket', { files: null }, 'volume'],
  ['reports from another pod', { config: { delivery_listen: '0.0.0.0:7302' } }, 'config'],
  ['an unknown value', { replicaCount: 3 }, 'replicaCount'],
  ['a listener', { config: { listen: '0.0.0.0:7300' } }, 'config'],
  ['nginx in a prefix', { mounts: [{ public: '/a/ { }', internal: '/b/' }] }, 'mounts'],
  ['an ingress of unknown addresses', { ingress: { enabled: true } }, 'trustedProxies'],
  ['a route without a gateway', route, 'parentRefs'],
  ['nginx in a name', { nginx: { serverName: 'a; root /' } }, 'serverName'],
  ['a misspelled setting', { config: { stor: 'redis://a' } }, 'stor'],
  ['a setting of another type', { config: { decision_ttl: 'abc' } }, 'decision_ttl'],
  ['a setting out of range', { config: { jwt_leeway: 61 } }, 'jwt_leeway'],
  ['no API key', { config: {} }, 'no client can issue tokens'],
  ['a file of a missing Secret', { secret: '' }, 'secret: the configuration names'],
  [
    'a minimum above the maximum',
    { autoscaling: { enabled: true, minReplicas: 9 } },
    'minReplicas is 9',
  ],
  ['a range of addresses', { nginx: { trustedProxies: ['10.0.0.0/33'] } }, 'trustedP'],
  ['a range of a policy', policy('10.0.0/8'), 'cidr'],
])('Helm: rejects %s', async (_, values, name) => {
  const { ok, text } = await template({ ...REQUIRED, ...values });
  expect(ok).toBe(false);
  expect(text).toContain(name);
});

test('Helm: each setting and each field of a mount can be deployed', async () => {
  const fixed = { api_listen: 'off', delivery_listen: '127.0.0.1:7302' };
  const values = Object.entries(OVERRIDES).map(([name, [value]]) => [name, value]);
  const { listen, metrics_listen, socket_mode, delivery_from, mounts, ...others } =
    Object.fromEntries(values);
  const config = { ...others, ...fixed };
  const storage = {
    ...Object.fromEntries(FIELDS.storage.map((name) => [name, name])),
    ...{ endpoint: 'https://s3.example', prefix: 'videos/', style: 'path' },
  };
  const given = { public: '/a/', internal: '/b/', site: 'a.example', pass_arguments: ['start'] };
  const mount = { ...given, path_argument: 'file', max_age: 60, download_time: 60, storage };
  expect(Object.keys(mount).sort()).toEqual(FIELDS.mounts.toSorted());
  const { image, secret } = REQUIRED;
  const manifests = await render({ image, secret, mounts: [mount], config });
  const { data } = one(manifests, 'ConfigMap');
  const listeners = { listen: 'unix:/run/postern/gate.sock', metrics_listen: '0.0.0.0:7303' };
  expect(parse(data['postern.yaml'])).toEqual({ ...config, ...listeners, mounts: [mount] });
  // What a setting needs besides: nginx sends the reports, and nobody gets an API that is off.
  expect(data['nginx.conf']).toContain('syslog:server=127.0.0.1:7302,nohostname postern_delivery');
  const { ports } = one(manifests, 'Service', 'test-postern-api').spec;
  expect(ports.map(({ name }: { name: string }) => name)).toEqual(['metrics']);
});

test('Helm: secrets are files of Postern only, and no variable has one', async () => {
  const { spec } = one(await render({ ...REQUIRED, secret: 'own' }), 'Deployment').spec.template;
  expect(spec.volumes).toContainEqual({
    ...{ name: 'secrets', secret: { secretName: 'own', defaultMode: 0o440 } },
  });
  const [nginx, postern] = spec.containers;
  const mounted = { name: 'secrets', mountPath: '/secrets', readOnly: true };
  expect(postern.volumeMounts).toContainEqual(mounted);
  expect(JSON.stringify([nginx, postern.env, postern.envFrom])).not.toContain('secret');
  const gate = { name: 'gate', mountPath: '/run/postern' };
  expect(postern.volumeMounts).toContainEqual(gate);
  expect(nginx.volumeMounts).toContainEqual({ ...gate, readOnly: true });
});

test('Helm: a container is ready after its first write to the store, stays so, and never restarts for that', async () => {
  const [, { startupProbe, readinessProbe, livenessProbe }] = one(
    await render(REQUIRED),
    'Deployment',
  ).spec.template.spec.containers;
  expect(startupProbe.httpGet.path).toBe('/readyz');
  expect(startupProbe.failureThreshold * startupProbe.periodSeconds).toBeGreaterThan(3e9);
  for (const { httpGet } of [readinessProbe, livenessProbe]) expect(httpGet.path).toBe('/livez');
});

test('Helm: the memory of nginx has room for the decision cache, and the number of workers is given', async () => {
  const memoryOf = async (values: object) => {
    const [nginx] = one(await render(values), 'Deployment').spec.template.spec.containers;
    return [nginx.resources.requests.memory, nginx.resources.limits.memory];
  };
  expect(await memoryOf(REQUIRED)).toEqual(['64Mi', '256Mi']);
  expect(await memoryOf(ALL)).toEqual(['224Mi', '416Mi']);
  const auto = await render({ ...REQUIRED, nginx: { workers: 'auto' } });
  expect(one(auto, 'ConfigMap').data['nginx.conf']).toContain('worker_processes auto;');
});

test('Helm: a HorizontalPodAutoscaler replaces the number of replicas', async () => {
  const manifests = await render(ALL);
  expect(one(manifests, 'Deployment').spec).not.toHaveProperty('replicas');
  expect(one(manifests, 'HorizontalPodAutoscaler').spec).toMatchObject({ maxReplicas: 6 });
  expect(one(manifests, 'Deployment').spec.template.spec).toMatchObject({
    ...{ priorityClassName: 'files', serviceAccountName: 'test-postern' },
  });
});

test('Helm: each pod meets the Pod Security Standard restricted, and no container writes to its root', async () => {
  // https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
  const volumes = ['configMap', 'emptyDir', 'persistentVolumeClaim', 'projected', 'secret'];
  const manifests = await render(ALL);
  const pods = [
    one(manifests, 'Deployment').spec.template.spec,
    one(manifests, 'Pod', 'test-postern-test').spec,
  ];
  for (const { securityContext, containers, automountServiceAccountToken, ...spec } of pods) {
    expect(securityContext).toMatchObject({
      ...{ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(automountServiceAccountToken).toBe(false);
    for (const host of ['hostNetwork', 'hostPID', 'hostIPC']) expect(spec).not.toHaveProperty(host);
    for (const volume of spec.volumes ?? []) {
      expect(volumes).toContain(Object.keys(volume).find((key) => key !== 'name'));
    }
    for (const { securityContext: own, ports = [], resources, name } of containers) {
      expect(own).toMatchObject({
        ...{ allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      });
      expect(own.capabilities.add ?? own.privileged ?? own.procMount).toBeUndefined();
      for (const port of ports) expect(port).not.toHaveProperty('hostPort');
      // The last one is the operator's.
      if (name === 'role') continue;
      expect([own.readOnlyRootFilesystem, own.runAsUser ?? securityContext.runAsUser]).toEqual([
        ...[true, expect.any(Number)],
      ]);
      expect(resources.limits.memory).toBeDefined();
    }
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

/** The values of both pages. */
function pageValues() {
  const values = parse(docsBlock('start/install.md', '# values.yaml'));
  return { ...values, ...parse(docsBlock('guides/migrate.md', 'httpRoute:')) };
}

test('docs: the values of migrate.md for users of ingress-nginx are valid behind each controller of its table', async () => {
  const { httpRoute, ...values } = pageValues();
  const fronts = [
    { httpRoute },
    { httpRoute: { ...httpRoute, timeouts: null } },
    ...['traefik', 'caddy'].map((className) => ({ ingress: { enabled: true, className } })),
  ];
  for (const front of fronts) {
    const manifests = await render({ ...values, ...front });
    expect(await misfits(manifests)).toEqual([]);
    const [route] = manifests.filter(({ kind }) => /^(HTTPRoute|Ingress)$/.test(kind));
    expect(JSON.stringify(route?.spec)).toMatch(/"\/download\/".*"\/media\/"/);
    const conf = one(manifests, 'ConfigMap').data['nginx.conf'];
    expect(conf).toContain('set_real_ip_from 10.0.0.0/8;');
    expect(conf).toContain('server s3.eu-central-1.amazonaws.com:443 resolve ');
  }
});

test('Helm: a mount of another site has its server block, and its own route', async () => {
  const mounts = [
    { public: '/a/', internal: '/pa/' },
    { public: '/b/', internal: '/pb/', site: '*.Other.example' },
    { public: '/a/', internal: '/pc/', site: '*.Other.example' },
  ];
  const manifests = await render({ ...ALL, mounts });
  const routes = manifests.filter(({ kind }) => kind === 'HTTPRoute').map(({ spec }) => spec);
  const pathsOf = ({ matches }: { matches: Array<{ path: { value: string } }> }) =>
    matches.map(({ path }) => path.value);
  expect(routes.map(({ hostnames, rules }) => [...hostnames, ...pathsOf(rules[0])])).toEqual([
    ...[
      ['files.example', '/a/'],
      ['*.other.example', '/b/', '/a/'],
    ],
  ]);
  const hosts = one(manifests, 'Ingress').spec.rules.map(({ host }: { host: string }) => host);
  expect(hosts).toEqual(['files.example', '*.other.example']);
  const [, first, second] = one(manifests, 'ConfigMap').data['nginx.conf'].split(/^ +server \{$/m);
  expect(first).toMatch(/server_name files\.example;[\s\S]*\/pa\//);
  expect(second).toMatch(/server_name \*\.other\.example;[\s\S]*\/pb\/[\s\S]*\/pc\//);
  expect(second).not.toContain('/pa/');
});

describe('Helm: the pod, started without Kubernetes', () => {
  test('sends a file and an object only with a token, and stays ready without the store', async () => {
    const page = pageValues();
    const redis = await forTest(startRedis({ args: ['--requirepass', 'the-password'] }));
    const objects = { 'videos/hello.txt': 'from the bucket' };
    const s3 = await forTest(startS3({ 'my-media': objects }));
    const bucket = { AccessKeyId: S3_ACCESS_KEY, SecretAccessKey: S3_SECRET_KEY };
    const [volume, { storage, ...media }] = page.mounts;
    const here = { ...storage, endpoint: s3.endpoint, region: S3_REGION };
    const more = { page_name: 'Example Files', jwt_keys_file: '/secrets/keys.json' };
    const values = {
      ...{ ...ALL, extraEnv: [], secret: page.secret, nginx: { ...ALL.nginx, resolver: '' } },
      mounts: [volume, { ...media, storage: here }],
      config: { ...ALL.config, ...page.config, store: redis.url, ...more },
    };
    const manifests = await render(values);
    const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
    const keys = JSON.stringify({ keys: [{ ...jwk, kid: 'a', alg: 'EdDSA' }] });
    const pod = await startPod(manifests, {
      files: { 'hello.txt': 'from the volume' },
      pages: {},
      secrets: {
        ...{ web: KEY, 'bucket.json': JSON.stringify(bucket), 'keys.json': keys },
        'store-password': 'the-password',
      },
    });
    const ask = async (url: string, headers = {}) => {
      const response = await fetch(pod.site + url, { headers });
      return [response.status, await response.text()] as const;
    };
    const issue = async (json: object): Promise<string> => {
      const { url } = (await askApi(pod, 'POST /tokens', { json })).body;
      expect(url).toMatch(/^https:\/\/files\.example\//);
      return url.replace('https://files.example', '');
    };
    const url = await issue({ path: '/download/hello.txt' });
    expect(await ask(url)).toEqual([200, 'from the volume']);
    expect(await ask(await issue({ path: '/media/hello.txt' }))).toEqual([200, 'from the bucket']);
    expect((await ask('/robots.txt'))[0]).toBe(410);

    // The probes of a Kubernetes cluster, and its `helm test`.
    const readyz = async () => (await fetch(`${pod.metrics}/readyz`)).status;
    const livez = async () => (await fetch(`${pod.metrics}/livez`)).status;
    expect([await readyz(), await livez()]).toEqual([200, 200]);
    const [tester] = one(manifests, 'Pod', 'test-postern-test').spec.containers;
    const [, ...args] = tester.command;
    const checks = tester.env[0].value
      .replaceAll('http://test-postern-api:7303', pod.metrics)
      .replaceAll('http://test-postern:80', pod.site);
    const runTest = (CHECKS: string) => tryRun(process.execPath, args, { CHECKS });
    expect(await runTest(checks)).toMatchObject({ ok: true });
    expect(checks.match(/"url"/g)).toHaveLength(5);
    // It fails if a public prefix answers otherwise.
    expect(await runTest(checks.replace('/media/', '/robots.txt'))).toMatchObject({ ok: false });

    const free = await issue({ path: '/download/hello.txt', format: 'jwt', revocable: false });
    const stored = await issue({ path: '/download/hello.txt' });
    await redis.stop();
    await expect.poll(() => readyz(), { message: 'the alert' }).toBe(503);
    expect(await livez()).toBe(200);
    const [status, text] = await ask(stored, { accept: 'text/html' });
    expect([status, text]).toEqual([503, expect.stringContaining('Example Files')]);
    expect(await ask(free)).toEqual([200, 'from the volume']);

    const program = join(projectRoot, 'dist', 'cli', 'postern.js');
    const mounts = ['--mounts', '/download/=/protected/,/media/=/s3/'];
    const doctor = [program, 'doctor', '--config', pod.conf, ...mounts];
    const { output } = await tryRun(process.execPath, doctor);
    expect(output.match(/^[?✗✓] .*/gm)).toEqual([expect.stringMatching(/^✓ nothing found/)]);
  });

  test('a wrong address of the store never becomes ready', async () => {
    const config = {
      store: 'redis://127.0.0.1:1',
      api_keys: [{ id: 'web', key_file: '/secrets/web' }],
    };
    const pod = await startPod(await render({ ...REQUIRED, secret: 'own', config }), {
      secrets: { web: KEY },
    });
    expect((await fetch(`${pod.metrics}/readyz`)).status).toBe(503);
  });

  test('never stores tokens in memory by default', async () => {
    const file = one(await render(REQUIRED), 'ConfigMap').data['postern.yaml'];
    const env = { POSTERN_CONFIG: 'x', POSTERN_API_KEYS: `web:${KEY}` };
    expect(loadConfig(env, () => file).store.url).toBe('redis://valkey:6379/0');
    expect(loadConfig({ ...env, POSTERN_STORE: 'redis://other' }, () => file).store.url).toBe(
      'redis://other',
    );
  });
});
