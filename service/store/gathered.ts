/** What was asked for in one turn of the event loop. */
interface Batch<K, V> {
  readonly asked: K[];
  readonly answers: Promise<readonly V[]>;
}

/**
 * Asks together what was asked for in one turn of the event loop, by requests that came together. A command of its own for each costs more than all the rest of a decision: its promise, its
 * timer, and the system calls for its few bytes. ioredis' enableAutoPipelining saves only the last,
 * and lets a command wait for the batch before it, and its time-out with it.
 *
 * @param askAll gives the answers in the order of what was asked
 */
export function gathered<K, V>(
  askAll: (asked: K[]) => Promise<readonly V[]>,
): (one: K) => Promise<V | undefined> {
  let gathering: Batch<K, V> | undefined;

  function gather(): Batch<K, V> {
    const asked: K[] = [];
    const answers = new Promise<readonly V[]>((resolve, reject) => {
      setImmediate(() => {
        gathering = undefined;
        askAll(asked).then(resolve, reject);
      });
    });
    return { asked, answers };
  }

  return (one) => {
    gathering ??= gather();
    const { asked, answers } = gathering;
    const index = asked.push(one) - 1;
    return answers.then((all) => all[index]);
  };
}
