import { collectDefaultMetrics, Registry } from 'prom-client';
import { DENY_CODES, type Decision, type Mode } from '../decide/decision.ts';
import type { AddedDelivery } from '../token/delivery.ts';
import { createInstruments, type Instruments } from './instruments.ts';
import { storeMetrics } from './measured-store.ts';

export type Metrics = ReturnType<typeof createMetrics>;

/** How often the delay of the event loop is sampled. A sample costs some microseconds. */
const SAMPLE_MS = 20;

/** Each value of a label is fixed here, or a name of the configuration. So none is a secret, and the number is bounded. */
export function createMetrics(versions: { readonly version: string; readonly node: string }) {
  const registry = new Registry();
  const instruments = createInstruments(registry);
  instruments.gauge('postern_build_info', () => 1, versions);
  const lostLines = instruments.counts('postern_log_lines_dropped_total')();
  return {
    recordDecision: decisionRecorder(instruments),
    ...storeMetrics(instruments),
    ...deliveryMetrics(instruments),
    recordReload: reloadRecorder(instruments),
    events: eventMetrics(instruments),
    lostLine: () => lostLines.inc(),
    /** Adds the default metrics of the library. They measure the process, not this registry. */
    watchProcess: () =>
      collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: SAMPLE_MS }),
    text: () => registry.metrics(),
  };
}

/** Records whether the last reload was successful. The start counts as a successful reload. */
function reloadRecorder({ gauge }: Instruments): (isSuccessful: boolean) => void {
  let successful = 1;
  let at = Date.now() / 1000;
  gauge('postern_config_last_reload_successful', () => successful);
  gauge('postern_config_last_reload_success_timestamp_seconds', () => at);
  return (isSuccessful) => {
    successful = Number(isSuccessful);
    if (isSuccessful) at = Date.now() / 1000;
  };
}

export type RecordDecision = (mode: Mode, decision: Decision, milliseconds: number) => void;

const CODES = ['allow', 'confirmed', ...DENY_CODES] as const;

/** Counts and times the gate's decisions. Only their code becomes a label. */
function decisionRecorder({ counts, times }: Instruments): RecordDecision {
  const total = counts('postern_decisions_total', 'mode', 'code');
  const secondsOf = times('postern_decision_seconds', 'mode');
  // Created in advance, so that a request only looks them up.
  const childrenOf = (mode: Mode) => ({
    seconds: secondsOf(mode),
    ofCode: new Map<string, ReturnType<typeof total>>(
      CODES.map((code) => [code, total(mode, code)]),
    ),
  });
  const children = {
    ...{ auth_request: childrenOf('auth_request'), 'x-accel': childrenOf('x-accel') },
    confirm: childrenOf('confirm'),
  };
  return (mode, decision, milliseconds) => {
    const { seconds, ofCode } = children[mode];
    ofCode.get(decision.allow ? 'allow' : decision.code)?.inc();
    seconds.observe(milliseconds / 1000);
  };
}

/** A client or a mount that the configuration no longer has. */
const OTHER = 'other';

function deliveryMetrics({ counts, countsBy }: Instruments) {
  const results = ['added', 'unknown', 'invalid', 'dropped'] as const;
  const lines = countsBy('postern_deliveries_total', 'result', ...results);
  const bytesOf = counts('postern_delivered_bytes_total', 'client', 'mount');
  return {
    countDeliveries: (result: keyof typeof lines, count = 1) => lines[result].inc(count),
    /** The names that may become labels. The users of an issuer count as the issuer. */
    bytesRecorder(clients: ReadonlySet<string>, mounts: ReadonlySet<string>) {
      return ({ client, mount, bytes }: AddedDelivery): void => {
        const [name = ''] = client.split('/', 1);
        bytesOf(clients.has(name) ? name : OTHER, mounts.has(mount) ? mount : OTHER).inc(bytes);
      };
    },
  };
}

function eventMetrics({ counts, countsBy, gauge }: Instruments) {
  const reasons = ['queue_full', 'store_full', 'too_many', 'shutdown'] as const;
  const events = {
    attempts: countsBy('postern_webhook_attempts_total', 'result', 'delivered', 'failed'),
    dead: counts('postern_webhook_dead_events_total')(),
    dropped: countsBy('postern_events_dropped_total', 'reason', ...reasons),
    /** Age of the oldest event that is not delivered. */
    oldestMs: 0,
  };
  gauge('postern_webhook_oldest_event_seconds', () => events.oldestMs / 1000);
  return events;
}

/** Prometheus scrapes about every 15 s. */
const SHARED_MS = 1000;

/** Caches a text for a second: every client may request the metrics, and the gate waits while the text is made. */
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
