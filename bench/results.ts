import type { Measured } from './load/measured.ts';
import type { Downloaded } from './workloads/download.ts';
import type { Issued } from './workloads/issue.ts';
import type { Failure, Rounds } from './workloads/rounds.ts';
import type { Served } from './workloads/serve.ts';

/** All results by variant, in the order of the rounds. A workload that was not run is empty. */
export interface Results {
  readonly serve: Rounds<Served>;
  readonly issue: Rounds<Issued>;
  /** Smaller files, which the streaming applications can send in a reasonable time. */
  readonly download: Rounds<Downloaded>;
  /** The whole file, once, from nginx without and with Postern. */
  readonly downloadWhole: Rounds<Downloaded>;
  /** By the number of live tokens. */
  readonly growth: Rounds<Measured>;
  /** Steps that failed. They have no other results. */
  readonly failed: readonly Failure[];
}
