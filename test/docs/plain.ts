/** Variables that npm, Vitest or the user of this machine may have set. */
const NOT_OURS = /^(npm_(?!config_)|npm_config_local_prefix$|NODE_(ENV|OPTIONS)$|VITEST|POSTERN_)/;

/** The environment in which a person's shell would run npm; what is in its cache is not fetched. */
export function plain(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !NOT_OURS.test(name));
  return { ...Object.fromEntries(kept), npm_config_prefer_offline: 'true' };
}
