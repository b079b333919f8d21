import { shown, type Table } from './tables.ts';

/** Bytes for each grant of a kind. */
export interface PerGrant {
  readonly title: string;
  /** The bytes in Redis, with the index of its subject and its requesters. */
  readonly memory: number;
  /** The bytes from the master to each replica. */
  readonly issue: number;
  readonly use: number | undefined;
  readonly revoke: number;
}

export function grantsTable(kinds: readonly PerGrant[]): Table {
  const bytes = (value: number | undefined) => shown(value, 0);
  return [
    ['token', 'bytes in Redis', 'issue', 'use', 'revoke'],
    ...kinds.map(({ title, memory, issue, use, revoke }) => {
      return [title, ...[memory, issue, use, revoke].map(bytes)];
    }),
  ];
}

const LIVE = [1e6, 1e7, 1e8];

/** Seconds that a token lives in this table. */
const LIFETIME = 3600;

/** Bytes of one master: the rest of its 16 GB is for forks, buffers and fragmentation. */
const PER_MASTER = 10e9;

/** Memory, masters and traffic for many live tokens. The first kind is the smallest, the second the largest. */
export function liveTable(kinds: readonly PerGrant[]): Table {
  const sizes = kinds.map(({ memory }) => memory);
  const least = Math.min(...sizes);
  const most = Math.max(...sizes);
  const traffic = Math.max(...kinds.map(({ issue, use = 0, revoke }) => issue + use + revoke));
  return [
    ['live tokens', 'GB, smallest', 'GB, largest', 'masters', 'issued/s', 'MB/s per replica'],
    ...LIVE.map((live) => [
      shown(live, 0),
      shown((live * least) / 1e9, 1),
      shown((live * most) / 1e9, 1),
      String(Math.ceil((live * most) / PER_MASTER)),
      shown(live / LIFETIME, 0),
      shown(((live / LIFETIME) * traffic) / 1e6, 1),
    ]),
  ];
}
