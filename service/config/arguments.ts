import { readList } from './entry.ts';
import type { Faults } from './fault.ts';
import type { Given } from './given.ts';

/** The query arguments of a mount. */
export interface Arguments {
  readonly pathArgument?: string;
  readonly passArguments: readonly string[];
}

/** nginx's `$arg_name` reads these, and no one percent-encodes them. */
const NAME = /^[A-Za-z0-9_-]+$/;

export function readArguments(fields: ReadonlyMap<string, Given>, faults: Faults): Arguments {
  const path = fields.get('path_argument');
  const pathArgument = path && readName(path, faults);
  const passArguments: string[] = [];
  for (const given of readList(fields.get('pass_arguments'), 'query arguments', faults)) {
    const name = readName(given, faults);
    if (name === undefined) continue;
    if (name === pathArgument) {
      faults.add(given, 'an argument other than path_argument, which ends at the gate');
    } else if (passArguments.includes(name)) {
      faults.add(given, 'each argument once');
    } else {
      passArguments.push(name);
    }
  }
  return { ...(pathArgument !== undefined && { pathArgument }), passArguments };
}

function readName(given: Given, faults: Faults): string | undefined {
  const name = given.value;
  if (name === 'token') {
    return faults.add(given, 'another name than token: that argument holds the token');
  }
  if (typeof name === 'string' && NAME.test(name)) return name;
  return faults.add(given, "a query argument's name of letters, digits, _ and -, such as file");
}
