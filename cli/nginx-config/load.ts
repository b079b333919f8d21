import type { Directive } from './directive.ts';
import { parse } from './parse.ts';
import type { Sources } from './sources.ts';
import { Unreadable } from './unreadable.ts';

/** Includes within includes, and directives in all: more than a site has, less than would hang. */
const MAX_INCLUDES = 32;
const MAX_DIRECTIVES = 200_000;

export interface Loaded {
  readonly root: readonly Directive[];
  readonly files: readonly string[];
}

/**
 * The whole configuration, with what each `include` names put in its place.
 *
 * @throws Unreadable
 */
export function load(sources: Sources): Loaded {
  const files = new Map<string, readonly Directive[]>();
  let count = 0;

  function parsed(file: string, at: Pick<Directive, 'file' | 'line'>): readonly Directive[] {
    const known = files.get(file);
    if (known !== undefined) return known;
    const text = sources.read(file);
    if (text === undefined) {
      throw new Unreadable(
        `${file} is not available; the output of \`nginx -T\` contains all files`,
        at,
      );
    }
    const directives = parse(text, file);
    files.set(file, directives);
    return directives;
  }

  function expanded(block: readonly Directive[], depth: number): readonly Directive[] {
    return block.flatMap((directive) => {
      count += 1;
      if (count > MAX_DIRECTIVES) {
        throw new Unreadable(`more than ${MAX_DIRECTIVES} directives`, directive);
      }
      if (directive.name === 'include' && directive.block === undefined) {
        return included(directive, depth + 1);
      }
      if (directive.block === undefined) return [directive];
      return [{ ...directive, block: expanded(directive.block, depth) }];
    });
  }

  function included(directive: Directive, depth: number): readonly Directive[] {
    const [name = ''] = directive.args;
    if (depth > MAX_INCLUDES) throw new Unreadable(`${name} includes itself`, directive);
    return sources.named(name).flatMap((file) => expanded(parsed(file, directive), depth));
  }

  const root = expanded(parsed(sources.main, { file: sources.main, line: 1 }), 0);
  return { root, files: [...files.keys()] };
}
