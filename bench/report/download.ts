import type { Variant } from '../backend.ts';
import { BY_NGINX, type Downloaded, USERS } from '../workloads/download.ts';
import type { Rounds } from '../workloads/rounds.ts';
import { figures, medianOf, ratioOf, shown, spreadOf } from './rounds.ts';
import { megabytes, type Table } from './table.ts';
import { extrapolated } from './targets.ts';

/** All users at once. `to`: the file size in bytes that CPU seconds are extrapolated to. */
export function downloadTable(
  variants: readonly Pick<Variant, 'id' | 'title'>[],
  rounds: Rounds<Downloaded>,
  to: number,
): Table {
  const bytes = Object.values(rounds).flat()[0]?.bytes ?? 0;
  const speed = (id: string) => figures(rounds, id, (each) => each.bytesPerSecond / 1e6);
  const cpu = (id: string, name: string) =>
    shown(medianOf(figures(rounds, id, (each) => each.cpu[name])));
  const lines = variants.map(({ id, title }) => {
    const rate = spreadOf(speed(id));
    const peak = medianOf(figures(rounds, id, (each) => each.peakBytes));
    return [
      title,
      shown(rate?.median, 0),
      `${shown(rate?.min, 0)}–${shown(rate?.max, 0)}`,
      shown(ratioOf(speed(id), speed('static'))),
      cpu(id, 'nginx'),
      cpu(id, 'service'),
      // nginx sends the bytes, so a larger file does not need more CPU time of the application.
      BY_NGINX.includes(id) && bytes < to
        ? '–'
        : shown(medianOf(figures(rounds, id, (each) => extrapolated(each, to)))),
      peak === undefined ? '–' : megabytes(peak),
    ];
  });
  const head = ['MB/s', 'min–max', '÷ static', 'nginx CPU s', 'service CPU s'];
  return [
    [`${USERS} × ${bytes / 1e6} MB at once`, ...head, `CPU s for ${to / 1e6} MB`, 'peak MB'],
    ...lines,
  ];
}
