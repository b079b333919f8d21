import { mkdirSync, writeFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { postern } from '../../cli/postern.ts';
import { type Nginx, startNginx } from '../../harness/nginx.ts';
import { temporaryFolder } from '../../harness/paths.ts';
import { S3_ACCESS_KEY, S3_REGION, S3_SECRET_KEY } from '../../harness/s3.ts';
import { type ServiceProcess, startService } from '../../harness/service.ts';
import { KEY } from '../../support/postern.ts';

interface BuiltSiteOptions {
  /** Fields of the mount's storage: the endpoint, and others than the usual ones. */
  readonly storage: Readonly<Record<string, string>>;
  /** More of the service's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of `postern nginx`. */
  readonly words?: readonly string[];
  /** Changes each file that `postern nginx` writes, for the test. */
  readonly edit?: (text: string) => string;
}

export interface BuiltSite {
  readonly service: ServiceProcess;
  readonly nginx: Nginx;
  /** Where postern.yaml is. */
  readonly folder: string;
  /** The files as `postern nginx` writes them. */
  readonly texts: Readonly<Record<string, string>>;
  /** A URL of a token, by `postern token issue`. */
  issue(...words: string[]): Promise<string>;
  /** Writes the files again, with what `edit` changes now. */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * The built service in its own process, before nginx with the files of `postern nginx`. Its mount
 * `/media/` has the bucket `my-media`.
 */
export async function startBuiltSite(options: BuiltSiteOptions): Promise<BuiltSite> {
  const { env: more = {}, words = [], edit = (text) => text } = options;
  const folder = await temporaryFolder();
  const fields = { type: 's3', region: S3_REGION, bucket: 'my-media', credentials: 'environment' };
  const storage = { ...fields, ...options.storage };
  const yaml = { mounts: [{ public: '/media/', internal: '/s3/', storage }] };
  await writeFile(join(folder, 'postern.yaml'), JSON.stringify(yaml));
  const env = {
    POSTERN_CONFIG: join(folder, 'postern.yaml'),
    POSTERN_API_KEYS: `test:${KEY}`,
    AWS_ACCESS_KEY_ID: S3_ACCESS_KEY,
    AWS_SECRET_ACCESS_KEY: S3_SECRET_KEY,
    ...more,
  };
  const service = await startService({ env });
  const own = { ...env, POSTERN_LISTEN: `127.0.0.1:${service.gatePort}` };
  const made = await postern(['nginx', '--json', '--server', ...words], folder, { env: own });
  expect(made).toMatchObject({ code: 0 });
  const texts: Record<string, string> = JSON.parse(made.stdout).files;

  const config = ({ port, dir }: { port: number; dir: string }) => {
    for (const [name, text] of Object.entries(texts)) {
      mkdirSync(join(dir, dirname(name)), { recursive: true });
      const here = edit(text)
        .replace('listen 80;', `listen 127.0.0.1:${port};`)
        .replace('/var/log/nginx/access.log', `${dir}/site.log`);
      writeFileSync(join(dir, name), here);
    }
    return 'include conf.d/*.conf;';
  };
  const nginx = await startNginx({ config });
  return {
    service,
    nginx,
    folder,
    texts,
    async issue(...args) {
      const client = { POSTERN_API: `http://127.0.0.1:${service.apiPort}`, POSTERN_API_KEY: KEY };
      const issued = await postern(['token', 'issue', ...args], folder, { env: client });
      expect(issued).toMatchObject({ code: 0, stderr: '' });
      return issued.stdout.trim();
    },
    reload: () => nginx.reload(config),
    async stop() {
      await Promise.all([nginx.stop(), service.stop()]);
      await rm(folder, { recursive: true });
    },
  };
}
