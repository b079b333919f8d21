import { inject } from 'vitest';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The part of the runs of a property that a run of the tests makes. */
    propertyRuns: number;
  }
}

/** How often a property is tested: `full` times, and a part of that in `npm test`. See vitest.config.ts. */
export const runs = (full: number) => Math.ceil(full * inject('propertyRuns'));
