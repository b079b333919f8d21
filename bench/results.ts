import type { Measured } from './load/measured.ts';
import type { Downloaded } from './workloads/download.ts';
import type { Issued } from './workloads/issue.ts';
import type { Failure, Rounds } from './workloads/rounds.ts';
import type { Served } from './workloads/serve.ts';

/** All that was measured, by variant, in the order of the rounds; empty where a workload was not run. */
export interface Results {
  readonly serve: Rounds<Served>;
  readonly issue: Rounds<Issued>;
  /** Files of a hundredth or so of the size, which the streaming applications can be asked for. */
  readonly download: Rounds<Downloaded>;
  /** The whole size, once, by nginx alone and by nginx with Postern. */
  readonly downloadWhole: Rounds<Downloaded>;
  /** By the number of live tokens. */
  readonly growth: Rounds<Measured>;
  /** Steps that ended in an error. They are in none of the above. */
  readonly failed: readonly Failure[];
}
