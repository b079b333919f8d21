/** What was asked for cannot be done; the message is for a person, and holds no part of a key. Exit code 1. */
export class Failure extends Error {
  override readonly name: string = 'Failure';
}

/** The command line itself is wrong. Exit code 2. */
export class WrongUsage extends Failure {
  override readonly name = 'WrongUsage';
}

/** The reader of standard output has closed it: `postern token list … | head`. */
export class NoReader extends Error {
  override readonly name = 'NoReader';
}

export type Environment = Readonly<Record<string, string | undefined>>;
