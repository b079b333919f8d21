import { Counter, type Registry } from 'prom-client';

/** Counts a line of the log that could not be kept until it can be written. */
export function lostLineRecorder(registry: Registry): () => void {
  const lost = new Counter({
    name: 'postern_log_lines_lost_total',
    help: 'Log lines that were dropped, since the log could not be written.',
    registers: [registry],
  });
  return () => lost.inc();
}
