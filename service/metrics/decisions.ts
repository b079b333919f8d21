import { Counter, type Registry } from 'prom-client';
import type { Decision, DenyCode } from '../domain/decision.ts';
import { fromZero, tableOf, timesBy } from './counts.ts';

/** How nginx asks the gate. */
export type Mode = 'auth_request' | 'x-accel' | 'confirm';

export type RecordDecision = (mode: Mode, decision: Decision, milliseconds: number) => void;

const MODES: readonly Mode[] = ['auth_request', 'x-accel', 'confirm'];

type Code = 'allow' | DenyCode;

const CODES = Object.keys({
  allow: 0,
  missing_token: 0,
  invalid_token: 0,
  insufficient_scope: 0,
  prefetch: 0,
  invalid_request: 0,
  path_is_folder: 0,
  confirmed: 0,
  confirmation_required: 0,
  pin_required: 0,
  pin_wrong: 0,
  cross_origin: 0,
  unavailable: 0,
} satisfies Record<Code, 0>) as Code[];

/** Counts and times the gate's decisions. Only their code becomes a label. */
export function decisionRecorder(registry: Registry): RecordDecision {
  const total = new Counter({
    name: 'postern_decisions_total',
    help: 'Decisions of the gate, by how nginx asked and by code.',
    labelNames: ['way', 'code'],
    registers: [registry],
  });
  const counts = tableOf(MODES, (mode) =>
    tableOf(CODES, (code) => fromZero(total.labels(mode, code))),
  );
  const about = {
    name: 'postern_decision_seconds',
    help: 'Duration of decisions in seconds, including the store.',
    label: 'way',
  };
  const times = timesBy(registry, about, MODES);

  return (mode, decision, milliseconds) => {
    counts[mode][decision.allow ? 'allow' : decision.code].inc();
    times[mode].observe(milliseconds / 1000);
  };
}
