import { Faults } from '../../service/config/fault.ts';
import type { Given } from '../../service/config/given.ts';
import { block } from '../../service/config/report.ts';
import { quote } from '../../service/config/shown.ts';
import { WrongUsage } from '../failure.ts';

/** An option's value, as a fault shows it. */
export function given(option: string, value: string): Given {
  return { field: option, value, shown: quote(value) };
}

/**
 * Does something that gathers faults, and then reports all of them.
 *
 * @throws WrongUsage
 */
export function withFaults<T>(read: (faults: Faults) => T): T {
  const faults = new Faults();
  const result = read(faults);
  if (faults.all.length === 0) return result;
  throw new WrongUsage(`no files were written:\n\n${faults.all.map(block).join('\n\n')}\n`);
}
