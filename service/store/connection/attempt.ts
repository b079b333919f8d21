/** No command waits longer for a connection. */
const MAX_WAIT_MS = 250;

/** The keys of all commands that wait. */
const MAX_WAITING = 1000;

/**
 * The first attempt to connect, at the start or after the loss of a connection. Commands wait for it, so that one
 * reset of a connection fails no request. After it has failed or takes too long, commands fail immediately: a store
 * that is gone must not delay each request.
 *
 * @param timeoutMs of a command
 */
export function createAttempt(timeoutMs: number) {
  let ended: Promise<void> | undefined;
  let places = 0;
  let end = () => {};

  return {
    begin(): void {
      if (ended !== undefined) return;
      places = MAX_WAITING;
      ended = new Promise((resolve) => {
        const timer = setTimeout(() => end(), Math.min(timeoutMs, MAX_WAIT_MS));
        end = () => {
          clearTimeout(timer);
          ended = undefined;
          resolve();
        };
      });
    },

    /** It has succeeded or failed. The waiting commands continue after the code that calls this. */
    end: () => end(),

    /** Sends a command with these keys now, or after the attempt. */
    wait<T>(keys: readonly string[], send: () => Promise<T>): Promise<T> {
      if (ended === undefined || keys.length > places) return send();
      places -= keys.length;
      return ended.then(send);
    },
  };
}
