import { Counter, Gauge, Registry } from 'prom-client';
import { decisionRecorder, type RecordDecision } from './decisions.ts';
import { type Process, watchProcess } from './process.ts';
import { type StoreRecorder, storeRecorder } from './store.ts';
import { type TokenRecorder, tokenRecorder } from './tokens.ts';

/** Of what runs here. */
export interface Build {
  readonly version: string;
  readonly node: string;
}

export interface Metrics {
  readonly recordDecision: RecordDecision;
  readonly tokens: TokenRecorder;
  readonly store: StoreRecorder;
  /** A line of the log was dropped. */
  lostLine(): void;
  /** From now on the process is among them. */
  watchProcess(process: Process): void;
  /** All of them, as Prometheus reads them. */
  text(): Promise<string>;
}

/**
 * What Prometheus is told. Every label has its values here, from the beginning: none is made of what
 * a request holds, so nothing secret can be in one, and their number never grows.
 */
export function createMetrics({ version, node }: Build): Metrics {
  const registry = new Registry();
  new Gauge({
    name: 'postern_build_info',
    help: 'Always 1; the versions are its labels.',
    labelNames: ['version', 'node'],
    registers: [registry],
  }).set({ version, node }, 1);
  return {
    recordDecision: decisionRecorder(registry),
    tokens: tokenRecorder(registry),
    store: storeRecorder(registry),
    lostLine: lostLineRecorder(registry),
    watchProcess: (process) => watchProcess(registry, process),
    text: () => registry.metrics(),
  };
}

/** Counts a line of the log that could not be kept until it can be written. */
export function lostLineRecorder(registry: Registry): () => void {
  const lost = new Counter({
    name: 'postern_log_lines_lost_total',
    help: 'Log lines that were dropped, since the log could not be written.',
    registers: [registry],
  });
  return () => lost.inc();
}

/** So long one text answers every request: Prometheus asks every 15 s or so. */
const KEPT_MS = 1000;

/**
 * A text that is made once a second at most, and once for all who ask meanwhile. Anybody who reaches the
 * API may ask, and making it takes milliseconds in which the gate does not answer.
 */
export function sharedText(make: () => Promise<string>, now: () => number): () => Promise<string> {
  let text: Promise<string> | undefined;
  let made = 0;
  return () => {
    if (text === undefined || now() - made >= KEPT_MS) {
      made = now();
      text = make();
      text.catch(() => {
        text = undefined;
      });
    }
    return text;
  };
}
