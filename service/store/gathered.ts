/** What was asked for in one turn of the event loop. */
interface Batch<V> {
  readonly keys: string[];
  readonly values: Promise<readonly V[]>;
}

/**
 * Looks keys up together where they were asked for in one turn of the event loop, by requests that came
 * together. A command of its own for each costs more than all the rest of a decision: its promise, its
 * timer, and the system calls for its few bytes. ioredis' enableAutoPipelining saves only the last,
 * and lets a command wait for the batch before it, and its time-out with it.
 *
 * @param lookUp gives the values of keys, in their order
 */
export function gathered<V>(
  lookUp: (keys: string[]) => Promise<readonly V[]>,
): (key: string) => Promise<V | undefined> {
  let gathering: Batch<V> | undefined;

  function gather(): Batch<V> {
    const keys: string[] = [];
    const values = new Promise<readonly V[]>((resolve, reject) => {
      setImmediate(() => {
        gathering = undefined;
        lookUp(keys).then(resolve, reject);
      });
    });
    return { keys, values };
  }

  return (key) => {
    gathering ??= gather();
    const { keys, values } = gathering;
    const index = keys.push(key) - 1;
    return values.then((found) => found[index]);
  };
}
