import { Command } from 'ioredis';

/** Why a command got no reply in time: the event loop of this process was late, or Redis. */
export type LateCause = 'loop' | 'store';

const listeners = new Set<(cause: LateCause) => void>();

/** Calls `listener` for each late command of this process, until the returned function is called. */
export function onLate(listener: (cause: LateCause) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

// Node.js runs timers before it reads sockets. After a pause of this process, each time limit has passed, although the
// replies have arrived. So a command fails only after the sockets were read.
Command.prototype.setTimeout = function (ms) {
  const timed = this as unknown as { _commandTimeoutTimer?: NodeJS.Timeout };
  timed._commandTimeoutTimer ??= setTimeout(() => {
    setImmediate(() => {
      if (this.isSettled && !this.isResolved) return;
      for (const listener of listeners) listener(this.isResolved ? 'loop' : 'store');
      if (!this.isSettled) this.reject(new Error('Command timed out'));
    });
  }, ms);
};
