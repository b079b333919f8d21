import type { Given } from './given.ts';
import { report } from './report.ts';

/** One thing that is wrong with the configuration. */
export interface ConfigFault {
  /** The variable, `POSTERN_MOUNTS`, or the path into the file, `mounts[1].internal`. */
  readonly field: string;
  /** File and line, `/etc/postern.yaml:12`; absent where the environment is at fault. */
  readonly where?: string;
  /** What it is now, fit for a terminal and a log: never a secret or a part of one. */
  readonly value?: string;
  /** What would be right, with an example. */
  readonly expected: string;
}

/** The configuration cannot be used. `message` is the report on all of it, for a person. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    super(report(faults));
    this.faults = faults;
  }
}

/** Gathers faults, so that one run reports them all. */
export class Faults {
  readonly all: ConfigFault[] = [];

  /** Returns undefined, which is what a reader gives for a value that it cannot read. */
  add(given: Omit<Given, 'value'>, expected: string): undefined {
    const { field, where, shown } = given;
    this.all.push({
      field,
      ...(where !== undefined && { where }),
      ...(shown !== undefined && { value: shown }),
      expected,
    });
  }
}
