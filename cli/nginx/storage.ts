import type { Config } from '../../service/config/config.ts';
import { storageUrl } from '../../service/storage/sign.ts';

/** The object store of an internal prefix. */
export interface StorageSource {
  /** The URL of the objects, with a slash at the end. */
  readonly url: URL;
  /** The name of its upstream block. */
  readonly upstream: string;
}

export interface Storages {
  find(site: string, prefix: string): StorageSource | undefined;
  /** One for each upstream block. */
  readonly all: readonly StorageSource[];
}

/** The object stores of mounts. Mounts whose storage has the same host share an upstream. */
export function storagesOf(mounts: Config['mounts']): Storages {
  const upstreams = new Map<string, StorageSource>();
  const sources = mounts.flatMap(({ site, internal, storage }) => {
    if (storage === undefined) return [];
    const url = storageUrl(storage);
    const known = upstreams.get(url.origin);
    const source = { url, upstream: known?.upstream ?? `postern_storage_${upstreams.size + 1}` };
    if (known === undefined) upstreams.set(url.origin, source);
    return [{ site, internal, source }];
  });
  return {
    all: [...upstreams.values()],
    find: (name, prefix) =>
      sources.find(
        ({ site, internal }) => internal === prefix && (site === undefined || site === name),
      )?.source,
  };
}

/** What an upstream block contains. */
export function storageUpstream({ url }: StorageSource): string[] {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return [
    '# nginx looks this name up when it starts. From nginx 1.27.3 on, it can follow changes: write',
    '# `zone` and `resolve`. On an older nginx, use --resolver.',
    `server ${url.hostname}:${port};`,
    'keepalive 64;',
  ];
}

/** What an internal location needs besides the snippets. */
export function storageLines(
  { url, upstream }: StorageSource,
  resolvers: readonly string[],
): string[] {
  // A host in a proxy_pass with variables is looked up again after its time to live, but nginx opens a
  // connection for each request.
  const host = resolvers.length > 0 ? url.host : upstream;
  return [
    ...(resolvers.length > 0 ? [`resolver ${resolvers.join(' ')};`] : []),
    `proxy_set_header Host ${url.host};`,
    ...(url.protocol === 'https:' ? [`proxy_ssl_name ${url.hostname};`] : []),
    `proxy_pass ${url.protocol}//${host}${url.pathname}$postern_object?$args;`,
  ];
}
