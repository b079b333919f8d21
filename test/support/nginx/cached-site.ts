import { textOf } from '../../harness/paths.ts';
import type { RawAnswer } from '../raw.ts';
import { countAsked, type Site, type SiteOptions, siteForTest } from '../site.ts';
import { CACHE_PATH } from '../snippet.ts';

export const FILES = { 'a.txt': 'file a', 'b.txt': 'file b', 'sub/a.txt': 'file a' };

// Cache directives of a site, which the snippets inherit.
export const HOSTILE = `
  proxy_cache site; proxy_cache_valid any 10m; proxy_cache_key one; proxy_cache_min_uses 1;
  proxy_cache_methods GET HEAD POST; proxy_cache_lock on; proxy_cache_revalidate on;
  proxy_cache_use_stale error timeout updating invalid_header http_403 http_429 http_500 http_503;
  proxy_cache_background_update on; proxy_no_cache 0; proxy_cache_bypass $arg_fresh;
  proxy_ignore_headers X-Accel-Expires Expires Cache-Control Set-Cookie Vary;
  proxy_cache_convert_head off; proxy_cache_max_range_offset 10;`;

export const PATH = 'proxy_cache_path $files/../cache keys_zone=site:1m;';

interface Counted extends Site {
  /** How often the gate was asked. */
  asked(): number;
}

/** A site with the decision cache, which counts the questions to the gate. */
export async function cachedSite({
  path = CACHE_PATH,
  ...options
}: Partial<SiteOptions> & { path?: string } = {}): Promise<Counted> {
  const started = await siteForTest({
    mode: 'auth_request',
    files: FILES,
    decisionTtl: 60,
    ...options,
    http: `${path} include postern/cache.conf;\n${options.http ?? ''}`,
  });
  return { ...started, asked: countAsked(started) };
}

export const seen = ({ status, text }: RawAnswer) => [status, text];

export const snippet = (name: string) => textOf(`nginx/snippets/${name}.conf`);
