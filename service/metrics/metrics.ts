import { Counter, Gauge, Registry } from 'prom-client';
import { decisionRecorder } from './decisions.ts';
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
