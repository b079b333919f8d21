import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { createSign } from '../../service/s3/sign.ts';
import { startNginx } from '../harness/nginx.ts';
import type { ConfigContext } from '../harness/nginx-conf.ts';
import { temporaryFolder } from '../harness/paths.ts';
import {
  type Buckets,
  type S3,
  S3_ACCESS_KEY,
  S3_REGION,
  S3_SECRET_KEY,
  startS3,
} from '../harness/s3.ts';
import { startService } from '../harness/service.ts';
import { placed } from './cli/machine.ts';
import { postern } from './cli/postern.ts';
import { KEY, mount } from './postern.ts';
import { gateSnippet, type SiteOptions, startSite } from './site.ts';

/** The first start may download the packages. */
export const START_MS = 180_000;

/** The mounts below are of the bucket `media`, below `videos/`. */
export function signFor({ endpoint }: S3, now = Date.now, secretAccessKey = S3_SECRET_KEY) {
  const location = { endpoint, region: S3_REGION, bucket: 'media', prefix: 'videos/' };
  const credentials = { accessKeyId: S3_ACCESS_KEY, secretAccessKey };
  return createSign({ ...location, style: 'path' }, credentials, now);
}

export type StorageSite = Awaited<ReturnType<typeof startStorageSite>>;

interface StorageSiteOptions extends Omit<SiteOptions, 'mounts' | 'only'> {
  /** In the http block, for the port of the storage. */
  readonly httpOf?: (port: number) => string;
  /** Instead of the storage itself. */
  readonly proxyPass?: string;
  /** When a request for an object is allowed. */
  readonly onDecision?: () => void;
}

/** A site whose `/media/` is below `videos/` of the bucket `media`, and `/download/` a folder. */
export async function startStorageSite(buckets: Buckets, options: StorageSiteOptions) {
  const s3 = await startS3(buckets);
  const { mode, now, onDecision } = options;
  const sign = signFor(s3, now);
  const site = await startSite({
    ...options,
    mounts: [
      mount('/download/', '/protected/'),
      mount('/media/', '/s3-media/', {
        sign(name) {
          onDecision?.();
          return sign(name);
        },
      }),
    ],
    http: `
      upstream storage { server 127.0.0.1:${s3.port}; keepalive 16; }
      ${options.http ?? ''} ${options.httpOf?.(s3.port) ?? ''}`,
    locations: `
      ${options.locations ?? ''}
      location ^~ /media/ { ${gateSnippet(mode)} }
      location ^~ /s3-media/ {
        include postern/internal-proxy.conf;
        proxy_set_header Host 127.0.0.1:${s3.port};
        proxy_pass ${options.proxyPass ?? 'http://storage/media/videos/$postern_object?$args'};
      }`,
  });
  return { ...site, s3, stop: async () => void (await Promise.all([site.stop(), s3.stop()])) };
}

interface BuiltSiteOptions {
  /** Fields of the mount's storage: the endpoint, and others than the usual ones. */
  readonly storage: Readonly<Record<string, string>>;
  /** More of the service's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** The arguments of `postern nginx`. */
  readonly words?: readonly string[];
  /** Changes each file that `postern nginx` writes, for the test. */
  readonly edit?: (text: string) => string;
}

export type BuiltSite = Awaited<ReturnType<typeof startBuiltSite>>;

/**
 * The built service in its own process, before nginx with the files of `postern nginx`. Its mount
 * `/media/` has the bucket `my-media`.
 */
export async function startBuiltSite(options: BuiltSiteOptions) {
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

  const edited = () => Object.entries(texts).map(([name, text]) => [name, edit(text)] as const);
  const config = (context: ConfigContext) => placed(edited(), context);
  const nginx = await startNginx({ config });
  return {
    service,
    nginx,
    folder,
    texts,
    /** A URL of a token, by `postern token issue`. */
    async issue(...args: string[]) {
      const client = { POSTERN_API: `http://127.0.0.1:${service.apiPort}`, POSTERN_API_KEY: KEY };
      const issued = await postern(['token', 'issue', ...args], folder, { env: client });
      expect(issued).toMatchObject({ code: 0, stderr: '' });
      return issued.stdout.trim();
    },
    /** Writes the files again, with what `edit` changes now. */
    reload: () => nginx.reload(config),
    async stop() {
      await Promise.all([nginx.stop(), service.stop()]);
      await rm(folder, { recursive: true });
    },
  };
}

/** The time in a signed query, in milliseconds. */
export function timeOf(query: string): number {
  const date = new URLSearchParams(query).get('X-Amz-Date') ?? '';
  return Date.parse(date.replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5'));
}
