import { expect } from 'vitest';
import { type Config, loadConfig } from '../../service/config/config.ts';
import { ConfigError, type ConfigIssue } from '../../service/config/errors.ts';
import { variableOf } from '../../service/config/settings.ts';

export type Env = Record<string, string | undefined>;

export const MOUNTS = { POSTERN_MOUNTS: '/download/=/protected/' };
const MOUNT = { public: '/download/', internal: '/protected/' };

/** The configuration of an environment, with one mount if it sets none. */
export function load(env: Env): Config {
  return loadConfig({ ...MOUNTS, ...env }, missing, { onTerminal: true });
}

/** The configuration of a file, in an environment that otherwise sets only `env`. */
export function loadFile(yaml: string, env: Env = {}): Config {
  return loadConfig({ POSTERN_CONFIG: 'postern.yaml', ...env }, () => yaml, {
    onTerminal: true,
  });
}

/** A file with these settings, and one mount if there is none. JSON is YAML. */
export const fileOf = (settings: object) => JSON.stringify({ mounts: [MOUNT], ...settings });

/** Each way to set a setting. */
export const MODES = {
  environment: (setting: string, value: unknown, env: Env = {}) =>
    load({ ...env, [variableOf(setting)]: String(value) }),
  file: (setting: string, value: unknown, env: Env = {}) =>
    loadFile(fileOf({ [setting]: value }), env),
};

/** What `load` or `loadFile` throws; anything but a ConfigError fails the test. */
export function errorOf(attempt: () => unknown): ConfigError {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('no issue was found');
}

export function issuesOf(env: Env): readonly ConfigIssue[] {
  return errorOf(() => load(env)).issues;
}

export function fileIssues(yaml: string, env: Env = {}): readonly ConfigIssue[] {
  return errorOf(() => loadFile(yaml, env)).issues;
}

/** Expects one issue: of that field, whose message has that text. */
export function expectIssue(issues: readonly ConfigIssue[], field: string, expected: string) {
  expect(issues).toMatchObject([{ field, expected: expect.stringContaining(expected) }]);
}

/** The error of `node:fs` for a file that does not exist. */
export function missing(): never {
  throw Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' });
}

/** As without a terminal, where no key could be shown. */
export function unattendedIssues(env: Env): readonly ConfigIssue[] {
  return errorOf(() => loadConfig(env, missing)).issues;
}
