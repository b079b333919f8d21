import { readFileSync } from 'node:fs';
import { type Config, loadConfig } from '../service/config/config.ts';
import { ConfigError } from '../service/config/errors.ts';
import { API_VARIABLES } from '../service/config/settings.ts';
import { type Environment, WrongUsage } from './failure.ts';

/**
 * The whole configuration, so that no command works with one that Postern would not start with.
 *
 * @throws WrongUsage
 */
export function ownConfig(env: Environment): Config {
  const own = Object.fromEntries(
    Object.entries(env).filter(([name]) => !API_VARIABLES.includes(name)),
  );
  try {
    // As if on a terminal: no command needs the service to have an API key.
    return loadConfig(own, (path) => readFileSync(path, 'utf8'), { onTerminal: true });
  } catch (error) {
    if (error instanceof ConfigError) throw new WrongUsage(error.message, { cause: error });
    throw error;
  }
}
