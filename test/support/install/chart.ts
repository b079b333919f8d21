import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { findHelm } from '../../harness/helm.ts';
import { projectRoot } from '../../harness/paths.ts';
import { tryRun } from '../../harness/run.ts';
import { folderForTest } from '../for-test.ts';
import type { Manifest } from './manifests.ts';

export const CHART = join(projectRoot, 'deploy', 'helm', 'postern');

/** What has no default. */
export const REQUIRED = {
  image: { repository: 'ghcr.io/example/postern' },
  files: { persistentVolumeClaim: { claimName: 'files', readOnly: true } },
  secret: 'postern',
  config: { api_keys: [{ id: 'web', key_file: '/secrets/web' }] },
};

/** Each optional part. */
export const ALL = {
  ...REQUIRED,
  image: { ...REQUIRED.image, digest: `sha256:${'0'.repeat(64)}` },
  imagePullSecrets: [{ name: 'registry' }],
  config: { ...REQUIRED.config, decision_ttl: 2, public_url: 'https://files.example' },
  autoscaling: { enabled: true },
  priorityClassName: 'files',
  serviceAccount: { create: true, annotations: { 'eks.amazonaws.com/role-arn': 'arn:x' } },
  extraEnv: [
    {
      name: 'POSTERN_STORE_SENTINEL_PASSWORD',
      valueFrom: { secretKeyRef: { name: 'x', key: 'y' } },
    },
  ],
  extraVolumes: [{ name: 'pages', configMap: { name: 'pages' } }],
  extraVolumeMounts: [{ name: 'pages', mountPath: '/pages', readOnly: true }],
  extraContainers: [
    {
      name: 'role',
      image: 'docker.io/amazon/aws-cli',
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    },
  ],
  nginx: {
    trustedProxies: ['10.0.0.0/8'],
    httpConfig: 'gzip on;',
    extraConfig: 'location = /robots.txt { return 410; }',
    extraVolumeMounts: [{ name: 'pages', mountPath: '/pages', readOnly: true }],
  },
  networkPolicy: {
    siteFrom: [{ namespaceSelector: { matchLabels: { name: 'ingress' } } }],
    egress: [{ ports: [{ port: 6379 }], to: [{ podSelector: { matchLabels: { app: 'redis' } } }] }],
  },
  httpRoute: {
    enabled: true,
    parentRefs: [{ name: 'gateway', namespace: 'gateways' }],
    annotations: { note: 'x' },
  },
  ingress: {
    enabled: true,
    className: 'traefik',
    annotations: { note: 'x' },
    tls: [{ hosts: ['files.example'], secretName: 'files-tls' }],
  },
  serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
  podLabels: { team: 'files' },
  podAnnotations: { note: 'x' },
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'files', operator: 'Exists' }],
  affinity: { podAntiAffinity: {} },
};

/** What Helm prints for these values, and whether it accepts them. */
export async function template(values: object) {
  const helm = await findHelm();
  const folder = await folderForTest();
  const file = join(folder, 'values.json');
  await writeFile(file, JSON.stringify(values));
  const lint = await tryRun(helm, ['lint', '--strict', CHART, '--values', file]);
  const { ok, output } = await tryRun(helm, ['template', 'test', CHART, '--values', file]);
  // Helm reports that the snippets are a link.
  const text = output.replace(/^level=INFO .*\n/gm, '');
  return { ok: ok && lint.ok, text };
}

/** The manifests for these values. */
export async function render(values: object): Promise<Manifest[]> {
  const { ok, text } = await template(values);
  expect(ok, text).toBe(true);
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** The only manifest of this kind and name. */
export function one(manifests: readonly Manifest[], kind: string, name = 'test-postern'): Manifest {
  const found = manifests.filter((one) => one.kind === kind && one.metadata.name === name);
  expect(found, `${kind} ${name}`).toHaveLength(1);
  return found[0] as Manifest;
}
