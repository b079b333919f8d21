import type { Directive } from '../directive.ts';
import type { Finding, Rule } from '../finding.ts';
import { type Location, title } from '../scope.ts';
import { type Gate, returns } from '../site.ts';

const NESTED = ['location', 'if', 'limit_except'];

/** Blocks inside the public location, which do not inherit the directives of the snippet. */
export const nested: Rule = {
  id: 'nested',
  find: ({ gates }) => gates.flatMap(findIn),
};

function findIn({ location, way }: Gate): readonly Finding[] {
  const lost = way === 'auth_request' ? 'try_files' : 'proxy_pass';
  // By X-Accel an `if` inherits proxy_pass, in contrast to a location.
  const isLost = (at: Directive) =>
    way === 'auth_request' || at.name === 'location' || goesElsewhere(at);
  return inside(location)
    .filter(isLost)
    .map((at) => ({
      at,
      seen: `${at.name} ${at.args.join(' ')} inside ${title(location)}`,
      why: `A nested block does not inherit ${lost} from the snippet: the request does not reach the delivery or the gate, and nginx serves the file that it finds under that path.`,
      fix:
        at.name === 'location'
          ? 'use a separate location beside it, with ^~, the snippet and a mount'
          : 'keep only the include in this location; an `if` that always returns is harmless',
    }));
}

function goesElsewhere({ block = [] }: Directive): boolean {
  return block.some(({ name }) => name === 'rewrite' || name.endsWith('_pass'));
}

/** Above a `return`, these end the block before it does. */
function leavesEarly({ block = [] }: Directive): boolean {
  const end = block.findIndex(({ name }) => name === 'return');
  return block
    .slice(0, end)
    .some(({ name, args }) => name === 'break' || ['last', 'break'].includes(args[2] ?? ''));
}

/** An `if` that always returns is harmless: its request ends there. */
export function inside({ block }: Location): readonly Directive[] {
  return block.filter(
    (at) =>
      NESTED.includes(at.name) &&
      !(at.name === 'if' && returns({ block: at.block ?? [] }) && !leavesEarly(at)),
  );
}
