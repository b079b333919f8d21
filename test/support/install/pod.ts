import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { projectRoot, textOf } from '../../harness/paths.ts';
import { freePorts } from '../../harness/ports.ts';
import { launch } from '../../harness/process.ts';
import { findTool } from '../../harness/tools.ts';
import { execForm, imageEnvironment, only, parseDockerfile } from '../docs/dockerfile.ts';
import { writeFiles } from '../files.ts';
import { folderForTest, forTest } from '../for-test.ts';
import { one, type render } from './chart.ts';

type Manifests = Awaited<ReturnType<typeof render>>;

/** The folders of the pod, and of its images, that are below another root here. */
const FOLDERS = /(?<![\w.])\/(?:etc\/(?:nginx|postern)|srv|run|tmp|secrets)(?=\/)/g;

/**
 * Starts the containers of the pod as processes, by the commands and files of the manifests. Its volumes are folders
 * below one root, and its ports are free ones.
 *
 * @param contents the files of the volumes that are not in the manifests, by the name of the volume
 */
export async function startPod(
  manifests: Manifests,
  contents: Readonly<Record<string, Readonly<Record<string, string>>>>,
) {
  const root = await folderForTest();
  const ports = new Map([8080, 7301, 7303].map((port, i) => [port, i]));
  const free = await freePorts(ports.size);
  const here = (text: string) =>
    text
      .replace(FOLDERS, (folder) => `${root}${folder}`)
      .replace('user nginx;', '')
      .replaceAll(/(listen |0\.0\.0\.0:)(8080|7301|7303)\b/g, (_, before, port) => {
        const host = before === 'listen ' ? 'listen 127.0.0.1:' : '127.0.0.1:';
        return `${host}${free[ports.get(Number(port)) ?? 0]}`;
      })
      .replace(/\/dev\/std(out|err)/g, (_, name) => `${root}/std${name}`);
  const { spec } = one(manifests, 'Deployment').spec.template;

  /** What a volume contains: of a ConfigMap, by the names that the pod gives its keys. */
  function filesOf(name: string): Readonly<Record<string, string>> {
    const { configMap } = spec.volumes.find((volume: { name: string }) => volume.name === name);
    if (configMap === undefined || contents[name] !== undefined) return contents[name] ?? {};
    const { data } = one(manifests, 'ConfigMap', configMap.name);
    const items: ReadonlyArray<{ key: string; path: string }> =
      configMap.items ?? Object.keys(data).map((key) => ({ key, path: key }));
    return Object.fromEntries(items.map(({ key, path }) => [path, here(data[key])]));
  }

  async function start(name: string, path: string, args: string[], env: NodeJS.ProcessEnv) {
    const container = spec.containers.find((one: { name: string }) => one.name === name);
    for (const { name: volume, mountPath, subPath } of container.volumeMounts) {
      const files = filesOf(volume);
      if (subPath !== undefined) {
        await writeFiles(root, { [mountPath]: files[subPath] ?? '' });
      } else {
        await mkdir(join(root, mountPath), { recursive: true });
        await writeFiles(join(root, mountPath), files);
      }
    }
    const own = Object.fromEntries(
      (container.env ?? []).map(({ name, value }: { name: string; value: string }) => [
        name,
        value,
      ]),
    );
    return forTest(launch({ name, path, args, env: { PATH: process.env.PATH, ...env, ...own } }));
  }

  // The image of nginx has these.
  await writeFiles(root, { 'etc/nginx/mime.types': 'types { text/plain txt; }' });
  const nginx = await findTool('nginx');
  const { command } = spec.containers.find((one: { name: string }) => one.name === 'nginx');
  const image = parseDockerfile(textOf('Dockerfile'));
  const words = [...execForm(only(image, 'ENTRYPOINT')), ...execForm(only(image, 'CMD'))];
  const [, ...args] = words.map((word) => word.replace(/^\/app\//, `${projectRoot}/`));
  const { POSTERN_CONFIG = '' } = imageEnvironment(image);
  const [site, , metrics] = free.map((port) => `http://127.0.0.1:${port}`);
  const postern = await start('postern', process.execPath, args, {
    POSTERN_CONFIG: here(POSTERN_CONFIG),
  });
  const status = (url: string) =>
    fetch(url).then(
      ({ status }) => status,
      () => 0,
    );
  await postern.ready(async () => (await status(`${metrics}/livez`)) === 200, { what: 'Postern' });
  expect(command).toEqual(['nginx', '-g', 'daemon off;']);
  // As root, nginx would start its workers as a user that cannot read these folders. In the pod, it never is.
  const more = process.getuid?.() === 0 ? 'user root;' : '';
  const conf = join(root, 'etc/nginx/nginx.conf');
  const options = ['-e', join(root, 'stderr'), '-c', conf, '-g', `daemon off; ${more}`];
  await writeFile(join(root, 'stderr'), '');
  const front = await start('nginx', nginx.path, options, { ...nginx.env });
  await front.ready(async () => (await status(`${site}/healthz`)) === 204, { what: 'nginx' });
  return { root, conf, site, apiPort: free[1] ?? 0, metrics, postern };
}
