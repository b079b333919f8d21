import type { Scenario } from './scenario.ts';
import type { Row } from './table.ts';

/** Only against a hang: how long an outage takes on a busy machine is not asserted. */
const MAX_OUTAGE_MS = 60_000;
const MAX_GROWTH = 100 * 2 ** 20;

/** What in a row must not be, and is. */
export function problems(row: Row, { loses, isForGood }: Scenario): string[] {
  const lost = row.lostRevocations + row.lostRedemptions;
  const mayLose = row.replicas === 0 && loses !== undefined;
  const [before, after] = row.memory;
  const rules: ReadonlyArray<readonly [isBroken: boolean, problem: string]> = [
    [row.forged > 0, `${row.forged} tokens opened that nobody had issued, or another file`],
    [lost > 0 && !mayLose, `${lost} acknowledged revocations or redemptions are lost`],
    [row.wronglyOpened > 0 && !mayLose, `${row.wronglyOpened} requests were wrongly opened`],
    // The servers have lost some: a checker that finds none does not work.
    [lost === 0 && mayLose && loses === 'surely', 'the checker did not find what was lost'],
    [row.other > 0, `${row.other} responses had an unexpected status`],
    [!isForGood && row.lookUpOutage > MAX_OUTAGE_MS, `an outage of ${row.lookUpOutage} ms`],
    [after - before > MAX_GROWTH, `the memory grew from ${before} to ${after} bytes`],
  ];
  return rules.flatMap(([isBroken, problem]) => (isBroken ? [problem] : []));
}
