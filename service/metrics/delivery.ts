import type { Registry } from 'prom-client';
import type { Counted } from '../domain/delivery.ts';
import { counts } from './counts.ts';

/** A client or a mount that the configuration no longer has. */
const OTHER = 'other';

/** Counts what nginx reports about the files that it sends. */
export function deliveryMetrics(registry: Registry) {
  const linesOf = counts(
    registry,
    'postern_delivery_lines_total',
    'Lines of nginx about sent files, by what became of them.',
    'result',
  );
  const lines = {
    counted: linesOf('counted'),
    unknown: linesOf('unknown'),
    invalid: linesOf('invalid'),
    dropped: linesOf('dropped'),
  };
  const bytesOf = counts(
    registry,
    'postern_delivered_bytes_total',
    'Bytes of files that nginx sent, by client and mount.',
    'client',
    'mount',
  );
  return {
    countLines: (result: keyof typeof lines, count = 1) => lines[result].inc(count),
    /** Only these names become labels. The users of an issuer count as the issuer. */
    bytesRecorder(clients: ReadonlySet<string>, mounts: ReadonlySet<string>) {
      return ({ client, mount, bytes }: Counted): void => {
        const [name = ''] = client.split('/', 1);
        bytesOf(clients.has(name) ? name : OTHER, mounts.has(mount) ? mount : OTHER).inc(bytes);
      };
    },
  };
}
