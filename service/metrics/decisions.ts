import { Counter, type Registry } from 'prom-client';
import type { Decision, DenyCode } from '../domain/decision.ts';
import { fromZero, tableOf, timesBy } from './counts.ts';

/** How nginx asks. */
export type Way = 'auth_request' | 'x-accel';

type Code = 'allow' | DenyCode;

export type RecordDecision = (way: Way, decision: Decision, milliseconds: number) => void;

const WAYS: readonly Way[] = ['auth_request', 'x-accel'];

const CODES = Object.keys({
  allow: 0,
  missing_token: 0,
  invalid_token: 0,
  insufficient_scope: 0,
  prefetch: 0,
  invalid_request: 0,
  path_is_folder: 0,
  unavailable: 0,
} satisfies Record<Code, 0>) as Code[];

/** Counts and times the gate's decisions, of which nothing but the code becomes a label. */
export function decisionRecorder(registry: Registry): RecordDecision {
  const total = new Counter({
    name: 'postern_decisions_total',
    help: 'Decisions of the gate, by how nginx asked and by their code.',
    labelNames: ['way', 'code'],
    registers: [registry],
  });
  const counts = tableOf(WAYS, (way) =>
    tableOf(CODES, (code) => fromZero(total.labels(way, code))),
  );
  const about = {
    name: 'postern_decision_seconds',
    help: 'How long a decision took, the store included.',
    label: 'way',
  };
  const times = timesBy(registry, about, WAYS);

  return (way, decision, milliseconds) => {
    counts[way][decision.allow ? 'allow' : decision.code].inc();
    times[way].observe(milliseconds / 1000);
  };
}
