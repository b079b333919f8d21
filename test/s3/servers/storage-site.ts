import { createSign } from '../../../service/s3/sign.ts';
import {
  type Buckets,
  type S3,
  S3_ACCESS_KEY,
  S3_REGION,
  S3_SECRET_KEY,
  startS3,
} from '../../harness/s3.ts';
import { mount } from '../../support/postern.ts';
import { gateSnippet, type Site, type SiteOptions, startSite } from '../../support/site.ts';

export const CREDENTIALS = { accessKeyId: S3_ACCESS_KEY, secretAccessKey: S3_SECRET_KEY };

/** The first start may download the packages. */
export const START_MS = 180_000;

/** The mounts below are of the bucket `media`, below `videos/`. */
export function signFor({ endpoint }: S3, now: () => number = Date.now) {
  const location = { endpoint, region: S3_REGION, bucket: 'media', prefix: 'videos/' };
  return createSign({ ...location, style: 'path' }, CREDENTIALS, now);
}

export interface StorageSite extends Site {
  readonly s3: S3;
}

interface StorageSiteOptions extends Omit<SiteOptions, 'mounts' | 'only'> {
  /** In the http block, for the port of the storage. */
  readonly httpOf?: (port: number) => string;
  /** Instead of the storage itself. */
  readonly proxyPass?: string;
  /** When a request for an object is allowed. */
  readonly onDecision?: () => void;
}

/** A site whose `/media/` is below `videos/` of the bucket `media`, and `/download/` a folder. */
export async function startStorageSite(
  buckets: Buckets,
  options: StorageSiteOptions,
): Promise<StorageSite> {
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
    only: `
      location ^~ /download/ { ${gateSnippet(mode)} }
      location ^~ /protected/ {
        include postern/internal.conf; alias $files/;
      }
      location ^~ /media/ { ${gateSnippet(mode)} }
      location ^~ /s3-media/ {
        include postern/internal-proxy.conf;
        proxy_set_header Host 127.0.0.1:${s3.port};
        proxy_pass ${options.proxyPass ?? 'http://storage/media/videos/$postern_object?$args'};
      }`,
  });
  return {
    ...site,
    s3,
    stop: async () => void (await Promise.all([site.stop(), s3.stop()])),
  };
}

/** A URL's path, each byte but unreserved ones encoded. */
export const encoded = (name: string) => name.split('/').map(encodeURIComponent).join('/');
