import type { Context } from 'hono';
import type { ApiDependencies } from './dependencies.ts';
import { problem } from './problem.ts';

/** nginx would ask so for each download. */
const WARN_EVERY_MS = 60_000;

const ADVICE = "nginx's upstream must name the address of POSTERN_LISTEN, not POSTERN_API_LISTEN";

/**
 * The gate's routes on the API's listener: nginx asks the wrong one. Without a key, since the 401 for a
 * missing key would reach the client as a denial of its token.
 */
export function wrongListenerHandler({ log }: Pick<ApiDependencies, 'log'>) {
  let quietUntil = 0;
  return (c: Context): Response => {
    const now = performance.now();
    if (now >= quietUntil) {
      quietUntil = now + WARN_EVERY_MS;
      log.warn({ path: c.req.path }, `nginx asks the API instead of the gate: ${ADVICE}`);
    }
    return problem(c, 'not_found', 'This is the API, not the gate.');
  };
}
