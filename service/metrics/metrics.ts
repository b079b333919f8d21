import { Counter, Gauge, Registry } from 'prom-client';
import type { Decision, DenyCode } from '../domain/decision.ts';
import { fromZero, tableOf, timesBy } from './counts.ts';
import { type ObservedProcess, watchProcess } from './process.ts';
import { storeRecorder, tokenRecorder } from './store.ts';

export type Metrics = ReturnType<typeof createMetrics>;

/**
 * The metrics for Prometheus. All values of all labels are fixed here. None comes from a request, so a
 * label cannot hold a secret, and the number of series never grows.
 */
export function createMetrics(versions: { readonly version: string; readonly node: string }) {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({
    name: 'postern_build_info',
    help: 'Always 1; the versions are its labels.',
    labelNames: ['version', 'node'],
    registers,
  }).set(versions, 1);
  const lostLines = new Counter({
    name: 'postern_log_lines_lost_total',
    help: 'Log lines dropped because the log could not be written.',
    registers,
  });
  return {
    recordDecision: decisionRecorder(registry),
    tokens: tokenRecorder(registry),
    store: storeRecorder(registry),
    /** Counts a log line that was dropped. */
    lostLine: () => lostLines.inc(),
    watchProcess: (process: ObservedProcess) => watchProcess(registry, process),
    /** All metrics in Prometheus' text format. */
    text: () => registry.metrics(),
  };
}

/** How nginx asks the gate. */
export type Mode = 'auth_request' | 'x-accel';

export type RecordDecision = (mode: Mode, decision: Decision, milliseconds: number) => void;

const MODES: readonly Mode[] = ['auth_request', 'x-accel'];

type Code = 'allow' | DenyCode;

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

/** Counts and times the gate's decisions. Only their code becomes a label. */
function decisionRecorder(registry: Registry): RecordDecision {
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

/** Prometheus asks every 15 s or so. */
const SHARED_MS = 1000;

/**
 * Makes a text at most once a second and gives it to all who ask meanwhile. Every client that reaches
 * the API may ask, and while the text is made, for milliseconds, the gate does not answer.
 */
export function sharedText(make: () => Promise<string>, now: () => number): () => Promise<string> {
  let text: Promise<string> | undefined;
  let made = 0;
  return () => {
    if (text === undefined || now() - made >= SHARED_MS) {
      made = now();
      text = make();
      text.catch(() => {
        text = undefined;
      });
    }
    return text;
  };
}
