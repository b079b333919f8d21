import { get } from 'node:http';
import { addressOf, REACHABLE, serviceConfig } from '../common/config.ts';
import { Failure, systemReason } from '../common/errors.ts';
import type { Listen } from '../service/address.ts';

const TIMEOUT_MS = 2000;

/** Asks `/livez` on each listener of the configuration. @throws Failure, which names those that do not answer */
export async function checkHealth(env: NodeJS.ProcessEnv): Promise<void> {
  const { listen: gate, apiListen: API, metricsListen } = serviceConfig(env);
  const listeners = { gate, API, 'metrics listener': metricsListen };
  const messages = Object.entries(listeners).map(async ([name, where]) => {
    if (where === undefined || where === 'off') return [];
    const reason = await problem(where);
    if (reason === undefined) return [];
    return [`the ${name} at ${addressOf(where)} does not answer: ${reason}`];
  });
  const dead = (await Promise.all(messages)).flat();
  if (dead.length > 0) throw new Failure(dead.join('\npostern: '));
}

/** Undefined if the listener answers 200. */
function problem(where: Listen): Promise<string | undefined> {
  const address =
    'path' in where
      ? { socketPath: where.path }
      : { host: REACHABLE[where.host] ?? where.host, port: where.port };
  return new Promise((resolve) => {
    const request = get({ ...address, path: '/livez', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200 ? undefined : `status ${response.statusCode}`);
    });
    request.setTimeout(TIMEOUT_MS, () => {
      request.destroy(new Error(`no response within ${TIMEOUT_MS / 1000} seconds`));
    });
    request.on('error', (error) => resolve(systemReason(error)));
  });
}
