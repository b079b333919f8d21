/** The origins of CORS. */
export function corsFor(...origins: string[]): string {
  const lines = origins.map((origin) => `${origin} $http_origin;`).join('\n    ');
  return `map $http_origin $postern_cors_origin {
    default "";
    ${lines}
  }`;
}

/** The folder of the decision cache, beside the configuration of the test. */
export const CACHE_PATH = 'proxy_cache_path postern-decisions keys_zone=postern_decisions:512k;';

export const CACHE_CONF = `${CACHE_PATH} include postern/cache.conf;`;
