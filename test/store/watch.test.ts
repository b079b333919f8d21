import { expect, test } from 'vitest';
import { createWatch } from '../../service/store/connection/connection.ts';
import { observerOf } from './observer.ts';

function watched() {
  const failovers: number[] = [];
  const watch = createWatch(observerOf({ failedOver: (seconds) => void failovers.push(seconds) }));
  return { watch, failovers };
}

test.each<[string, Array<string | undefined>, number]>([
  ['the same master after a failure', ['a', undefined, 'a'], 0],
  ['another master after a failure', ['a', undefined, 'b'], 1],
  ['another master without a failure', ['a', 'b'], 1],
  ['two failovers', ['a', undefined, 'b', undefined, 'a'], 2],
  ['one master of a cluster', ['a b c', undefined, 'a b d'], 1],
  ['a master that is still named after a failure', ['a b', undefined, 'a b c', 'b c'], 1],
  ['a master that is still named', ['a b', 'a b c', 'b c'], 1],
  ['a master that is added', ['a b', 'a b c', 'a b c'], 0],
  ['a master that is removed', ['a b c', 'a b', 'a b'], 0],
  ['the first answer after failures', [undefined, undefined, 'a'], 0],
])('failovers: %s (%j) is counted %i times', (_, checks, count) => {
  const { watch, failovers } = watched();
  for (const names of checks) {
    if (names === undefined) watch.failed();
    else watch.answered(names.split(' '));
  }
  expect(failovers).toHaveLength(count);
});
