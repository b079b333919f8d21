/** Why a reply is late: the event loop of this process was late, or Redis. */
export type LateCause = 'loop' | 'store';

/** The message of the error after a time limit. */
export const TIMED_OUT = 'Command timed out';

/**
 * Rejects if the reply takes longer. Node.js runs timers before it reads sockets: after a pause of this process, each
 * limit has passed, although the replies have arrived. So this rejects only after the sockets were read.
 */
export function timed<T>(
  reply: Promise<T>,
  ms: number,
  onLate?: (cause: LateCause) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let isSettled = false;
    let hasFailed = false;
    const timer = setTimeout(() => {
      setImmediate(() => {
        if (hasFailed) return;
        onLate?.(isSettled ? 'loop' : 'store');
        if (!isSettled) reject(new Error(TIMED_OUT));
      });
    }, ms);
    reply.then(
      (value) => {
        isSettled = true;
        clearTimeout(timer);
        resolve(value);
      },
      (error) => {
        hasFailed = true;
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
