import { isDeepStrictEqual } from 'node:util';
import { mountId } from '../paths/mount.ts';
import type { Config } from './config.ts';
import { needsRestart } from './settings.ts';

/** The hash of each file, by its path. */
export type Files = ReadonlyMap<string, unknown>;

/** Names what differs, without values, which can be secrets: `changed log_level`, and in `needRestart` only names. */
export function changesBetween(
  before: Config,
  after: Config,
  files: readonly [Files, Files] = [new Map(), new Map()],
) {
  const [a, b] = [partsOf(before, files[0]), partsOf(after, files[1])];
  const names = [...new Set([...a.keys(), ...b.keys()])];
  const differ = names.filter((name) => !isDeepStrictEqual(a.get(name), b.get(name)));
  const made = differ
    .filter((name) => !needsRestart(name))
    .map((name) => `${a.has(name) ? (b.has(name) ? 'changed' : 'removed') : 'added'} ${name}`);
  return { made, needRestart: differ.filter(needsRestart) };
}

/** The settings, the entries of lists and the key files, by name. */
function partsOf({ settings }: Config, files: Files): ReadonlyMap<string, unknown> {
  const { mounts, api_keys: keys = [], issuers = [], ...others } = settings;
  return new Map<string, unknown>([
    ...Object.entries(others),
    ...mounts.map((mount) => [`mounts ${mountId(mount.site, mount.public)}`, mount] as const),
    ...keys.map((key) => [`api_keys ${key.id}`, key] as const),
    ...issuers.map((issuer) => [`issuers ${issuer.id}`, issuer] as const),
    ...[...files].map(([path, content]) => [`file ${path}`, content] as const),
  ]);
}
