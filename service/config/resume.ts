import { readDefaultAndMax } from './default-and-max.ts';
import type { Faults } from './fault.ts';
import type { Settings } from './names.ts';

/** Seconds, from a requester's first use of a counted token. */
export interface Resume {
  readonly resumeFor: number;
  readonly maxResumeFor: number;
}

/** 0 lets nobody go on. */
const OPTIONS = { setting: 'resume_for', min: 0, preset: 3600, max: 86_400 } as const;

/** How long a requester may go on; undefined, with a fault, if a number is none. */
export function readResume(settings: Settings, faults: Faults): Resume | undefined {
  const read = readDefaultAndMax(settings, OPTIONS, faults);
  return read && { resumeFor: read.preset, maxResumeFor: read.max };
}
