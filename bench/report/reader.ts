import type { Results } from '../run.ts';
import type { Measured, Served } from '../workloads.ts';
import { middle, range, type Table, table } from './tables.ts';

/** What a reader of docs/understand/performance.md compares Postern with, by variant. */
const OTHERS: Readonly<Record<string, string>> = {
  static: 'nginx without a gate',
  own: '20 lines of Node.js, auth_request',
  'own-x-accel': '20 lines of Node.js, X-Accel',
  lua: 'Lua and Redis inside nginx',
  'lua-cache': 'Lua and Redis, lua_shared_dict',
  njs: 'njs, shared dictionary',
  django: 'Django, X-Accel',
  express: 'Express, which sends the file itself',
};

const perSecond = ({ at32 }: Served) => at32.perSecond;
const cpu = ({ at32 }: Served) => micros(at32);

/** The CPU time of a request in all processes. */
function micros({ cpu }: Measured): number {
  return Object.values(cpu).reduce((sum, each) => sum + each, 0);
}

/** The table that only the page has: what a reader decides by. */
export function readersTables({ serve }: Results): Record<string, Table> {
  const { redis = [] } = serve;
  // Each row has the rounds of Postern and those of the other system.
  const against = Object.fromEntries(
    Object.keys(OTHERS)
      .filter((id) => id in serve && redis.length > 0)
      .map((id) => [id, (serve[id] ?? []).map((other, round) => [redis[round], other] as const)]),
  );
  type Pair = readonly [Served | undefined, Served];
  const by = (figure: (served: Served) => number) => (pair: Pair) =>
    pair[0] && figure(pair[0]) / figure(pair[1]);
  const decide = table(
    'Postern with Redis, compared with',
    against,
    [
      middle('requests/s', against, by(perSecond)),
      range(against, by(perSecond), 2),
      middle('CPU time', against, by(cpu)),
    ],
    Object.entries(OTHERS),
  );
  return decide.length > 1 ? { decide } : {};
}
