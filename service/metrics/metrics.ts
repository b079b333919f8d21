import { Counter, Gauge, Registry } from 'prom-client';
import { decisionRecorder, type RecordDecision } from './decisions.ts';
import { type ObservedProcess, watchProcess } from './process.ts';
import { type StoreRecorder, storeRecorder, type TokenRecorder, tokenRecorder } from './store.ts';

export interface Metrics {
  readonly recordDecision: RecordDecision;
  readonly tokens: TokenRecorder;
  readonly store: StoreRecorder;
  /** Counts a log line that was dropped. */
  lostLine(): void;
  /** Adds the metrics of the process. */
  watchProcess(process: ObservedProcess): void;
  /** All metrics in Prometheus' text format. */
  text(): Promise<string>;
}

/**
 * The metrics for Prometheus. All values of all labels are fixed here. None comes from a request, so a
 * label cannot hold a secret, and the number of series never grows.
 */
export function createMetrics(versions: {
  readonly version: string;
  readonly node: string;
}): Metrics {
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
    lostLine: () => lostLines.inc(),
    watchProcess: (process) => watchProcess(registry, process),
    text: () => registry.metrics(),
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
