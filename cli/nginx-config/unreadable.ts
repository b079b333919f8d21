import type { Place } from './directive.ts';

/** The configuration cannot be read as one: what is wrong, and where. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable';

  constructor(reason: string, { file, line }: Place) {
    super(`${file}:${line}: ${reason}`);
  }
}
