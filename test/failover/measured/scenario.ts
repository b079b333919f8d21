import { isAnyone, isServer } from './link.ts';
import type { Load } from './load.ts';

/** A failure of the servers, under load. */
export interface Scenario {
  /** As in the table. */
  readonly name: string;
  /** Causes it, and returns when all servers run again. */
  run(load: Load): Promise<void>;
  /** Acknowledged operations may be lost if no replica confirms them; `surely` if some are lost each time. */
  readonly loses?: 'maybe' | 'surely';
  /** How often it runs, under one load. */
  readonly kind?: 'kill' | 'planned';
  /** A part of the tokens stays unavailable. */
  readonly isForGood?: boolean;
}

export interface Topology {
  readonly name: 'Sentinel' | 'Cluster';
  /** What fails. */
  readonly kind: 'servers' | 'network';
  /** Of the servers, with their name. */
  readonly version: string;
  readonly url: string;
  /** Of each master. */
  readonly replicas: number;
  readonly scenarios: readonly Scenario[];
  stop(): Promise<void>;
}

/** Failures of the network. `isolate` cuts a master off from those that `isLost` names. */
export function partitions(
  master: string,
  isolate: (isLost: (head: Buffer) => boolean) => Scenario['run'],
): readonly Scenario[] {
  return [
    {
      name: `the network to ${master} is lost for 10 s`,
      loses: 'maybe',
      run: isolate(isAnyone),
    },
    {
      name: `only Postern still reaches ${master} for 10 s`,
      loses: 'surely',
      run: isolate(isServer),
    },
  ];
}
