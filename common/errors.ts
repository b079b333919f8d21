/** The command cannot do what was asked. The message never contains a part of a key. Exit code 1. */
export class Failure extends Error {
  override readonly name: string = 'Failure';
}

/** The command line or the configuration is invalid. Exit code 2. */
export class UsageError extends Failure {
  override readonly name = 'UsageError';
}
