/** cors.conf with these origins. */
export function corsFor(...origins: string[]): string {
  const lines = origins.map((origin) => `${origin} $http_origin;`).join('\n    ');
  return `include postern/cors.conf;
  map $http_origin $postern_cors_origin {
    default "";
    ${lines}
  }`;
}

/** cache.conf, with its folder beside the configuration of the test. */
export const CACHE_CONF =
  'proxy_cache_path postern-decisions keys_zone=postern_decisions:4m; include postern/cache.conf;';
