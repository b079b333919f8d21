/** What was asked for cannot be done; the message is for a person, and holds no part of a key. */
export class Failure extends Error {
  override readonly name = 'Failure';
}
