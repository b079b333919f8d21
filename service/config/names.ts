import type { Given } from './given.ts';

/** Every setting that a variable can hold, as the file names it. */
export const SETTINGS = [
  'listen',
  'api_listen',
  'socket_mode',
  'store',
  'store_prefix',
  'store_timeout_ms',
  'mounts',
  'api_keys',
  'expires_in',
  'max_expires_in',
  'resume_for',
  'max_resume_for',
  'public_url',
  'decision_ttl',
  'cookie_samesite',
  'cookie_secure',
  'log_level',
  'format',
  'jwt_keys',
  'issuer',
  'leeway',
] as const;

/** Settings that text could not hold. */
export const FILE_ONLY = ['issuers'] as const;

export type Setting = (typeof SETTINGS)[number];

export const MOUNT_FIELDS = ['public', 'internal', 'site', 'path_argument', 'pass_arguments'];
export const API_KEY_FIELDS = ['id', 'key', 'paths', 'targets', 'max_expires_in', 'max_resume_for'];
export const ISSUER_FIELDS = [
  'id',
  'issuer',
  'jwks_uri',
  'jwks_file',
  'audience',
  'trusted_for',
  'algorithms',
  'paths',
  'targets',
  'max_expires_in',
  'max_resume_for',
  'client',
];

/** The settings that were configured. */
export type Settings = ReadonlyMap<string, Given>;

/** Names the file itself, so it cannot be in it. */
export const CONFIG_VARIABLE = 'POSTERN_CONFIG';

/** For whoever asks a service; in its own configuration they are faults. */
export const API_VARIABLES: readonly string[] = ['POSTERN_API', 'POSTERN_API_KEY'];

export function variableOf(setting: Setting | (typeof FILE_ONLY)[number]): string {
  return `POSTERN_${setting.toUpperCase()}`;
}
