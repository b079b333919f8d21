import { writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import type { Engine } from '../../test/harness/redis.ts';
import { folderForTest, forTest } from '../../test/support/for-test.ts';
import { check, type Open, writeHistory } from './checker.ts';
import { type Client, createClient } from './client.ts';
import { startLoad } from './load.ts';
import { SEED } from './random.ts';
import { isAcknowledged, isLookUp, longestOutage, problems, type Row } from './row.ts';
import type { Scenario, Topology } from './scenario.ts';
import { type Site, startSite } from './site.ts';

const setting = (name: string, usual: number) => Number(process.env[name] ?? usual);

const WARM_UP_MS = 1_500;

const RATE = setting('FAILOVER_RATE', 300);
const TIMES = { kill: setting('FAILOVER_KILLS', 2), planned: setting('FAILOVER_PLANNED', 1) };
const ENGINE: Engine = process.env.FAILOVER_ENGINE === 'valkey' ? 'valkey' : 'redis';
/** A part of the names of the scenarios to run. */
const ONLY = process.env.FAILOVER_ONLY ?? '';

/** What acknowledges, in turn. */
export const settings = ['no replica', 'all replicas'] as const;

/** Long enough for any number of repetitions. */
export const MAX_MS = 3_600_000;

/** Runs the scenarios of a topology one after the other, and prints a row for each. */
export async function measure(
  start: (engine: Engine, folder: string) => Promise<Topology>,
  by: (typeof settings)[number],
): Promise<void> {
  const folder = await folderForTest();
  const topology = await forTest(start(ENGINE, folder));
  const replicas = by === 'no replica' ? 0 : topology.replicas;
  const { stop, ...site } = await startSite({
    POSTERN_STORE: topology.url,
    ...(replicas > 0 && { POSTERN_STORE_REPLICAS: String(replicas) }),
  });
  onTestFinished(stop);
  const rows: Row[] = [];
  for (const scenario of topology.scenarios.filter(({ name }) => name.includes(ONLY))) {
    rows.push(await run(scenario, site, { topology: topology.name, replicas }));
  }
  const cores = availableParallelism();
  const what = `${topology.version}, ${cores} cores, ${RATE} requests per second, seed ${SEED}`;
  console.log(what);
  console.table(rows);
  const folderOfRows = process.env.FAILOVER_ROWS;
  if (folderOfRows === undefined) return;
  const file = join(folderOfRows, `${topology.name}-${topology.kind}-${replicas}.json`);
  await writeFile(file, JSON.stringify({ what, rows }));
}

async function run(
  scenario: Scenario,
  site: Omit<Site, 'stop'>,
  { topology, replicas }: Pick<Row, 'topology' | 'replicas'>,
): Promise<Row> {
  const { name, kind, isForGood = false } = scenario;
  const times = kind === undefined ? 1 : TIMES[kind];
  const client = createClient(site);
  const load = await startLoad(client, RATE);
  const faults: Fault[] = [];
  try {
    await sleep(WARM_UP_MS);
    const before = sum(site.memory());
    for (let i = 0; i < times; i += 1) {
      faults.push({ name: `${name}, ${i + 1} of ${times}`, start: performance.now() });
      await scenario.run(load);
    }
    faults.push({ name: 'the end of all', start: performance.now() });
    await load.stop(isForGood ? 1 : undefined);
    const { history, strange } = client;
    const verdict = check(history);
    const count = (list: keyof typeof verdict) => verdict[list].length;
    const row: Row = {
      topology,
      replicas,
      scenario: name,
      times,
      lookUpOutage: longestOutage(history.filter(isLookUp)),
      acknowledgedOutage: longestOutage(history.filter(isAcknowledged)),
      lostRevocations: count('lostRevocations'),
      lateRevocations: count('lateRevocations'),
      lostRedemptions: count('lostRedemptions') + count('shared'),
      lostTokens: count('lostTokens'),
      wronglyOpened: count('wronglyOpened'),
      forged: count('forged'),
      other: sum([...strange.values()]),
      memory: [before, sum(site.memory())],
    };
    const found = problems(row, scenario);
    if (found.length > 0) found.push(...verdict.wronglyOpened.map((open) => during(open, faults)));
    await report(row, found, client, site);
    return row;
  } catch (error) {
    await report({ topology, replicas, scenario: name }, [String(error)], client, site);
    throw error;
  } finally {
    load.end();
    client.close();
  }
}

interface Fault {
  readonly name: string;
  readonly start: number;
}

/** A violation, with the fault that was in force. */
export function during({ token, requester, start }: Open, faults: readonly Fault[]): string {
  const fault = faults.findLast((one) => one.start <= start) ?? { name: 'no fault', start };
  const seconds = ((start - fault.start) / 1000).toFixed(1);
  return `${requester} opened ${token} ${seconds} s after ${fault.name}`;
}

/** Fails, and keeps the history for a person who looks for the cause. */
async function report(
  { topology, replicas, scenario }: Pick<Row, 'topology' | 'replicas' | 'scenario'>,
  found: readonly string[],
  { history, strange }: Client,
  { log }: Pick<Site, 'log'>,
): Promise<void> {
  if (found.length === 0) return;
  const what = `${topology} ${replicas} ${scenario}, FAILOVER_SEED=${SEED}`;
  const file = join(tmpdir(), `postern-failover-${what.replaceAll(/[^\w]+/g, '-')}.jsonl`);
  await writeHistory(file, history);
  await writeFile(`${file}.log`, log());
  const statuses = JSON.stringify([...strange]);
  const message = `${what}: ${found.join(', ')}; history: ${file}; other statuses: ${statuses}`;
  expect.soft(found, message).toEqual([]);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
