import { Gauge, Registry } from 'prom-client';
import { decisionRecorder, type RecordDecision } from './metrics/decisions.ts';
import { lostLineRecorder } from './metrics/log.ts';
import { type Process, watchProcess } from './metrics/process.ts';
import { type StoreRecorder, storeRecorder } from './metrics/store.ts';
import { type TokenRecorder, tokenRecorder } from './metrics/tokens.ts';

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
