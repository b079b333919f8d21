import { named } from './directive.ts';
import { type Location, own } from './scope.ts';

/** Whether an `if` that compares this variable ends the request where it holds this text. */
export function refuses(location: Location, variable: string, text: string): boolean {
  return own(location, 'if').some(({ args, block = [] }) => {
    const [, name, operator, pattern] =
      /^\(\s*(\$\w+)\s+(!?~\*?|!?=)\s+([\s\S]*?)\s*\)$/.exec(args.join(' ')) ?? [];
    if (name !== variable || operator === undefined || pattern === undefined) return false;
    const ends = named(block, 'return').some(({ args: [status = ''] }) => /^[45]/.test(status));
    return ends && holds(operator, text, pattern);
  });
}

function holds(operator: string, text: string, pattern: string): boolean {
  const isNegated = operator.startsWith('!');
  if (!operator.includes('~')) return (text === pattern) !== isNegated;
  const regex = toRegExp(pattern, operator.endsWith('*'));
  // Assume that a regex that JavaScript cannot parse is correct.
  return regex === undefined || regex.test(text) !== isNegated;
}

function toRegExp(pattern: string, ignoresCase: boolean): RegExp | undefined {
  try {
    return new RegExp(pattern, ignoresCase ? 'i' : '');
  } catch {
    return undefined;
  }
}
