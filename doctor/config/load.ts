import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { tryTo } from '../../common/errors.ts';
import { Directive, type Position, Unreadable } from './context.ts';
import { parse } from './parse.ts';

/** Limits for nested includes and for directives: more than any site has, and few enough to finish quickly. */
const MAX_INCLUDES = 32;
const MAX_DIRECTIVES = 200_000;

/** The whole configuration, with each `include` replaced by its files. @throws Unreadable */
export function load(sources: Sources) {
  const files = new Map<string, readonly Directive[]>();
  let count = 0;

  function parsed(file: string, at: Position): readonly Directive[] {
    const known = files.get(file);
    if (known !== undefined) return known;
    const text = sources.read(file);
    if (text === undefined) {
      const reason = `${file} is not available; the output of \`nginx -T\` contains all files`;
      throw new Unreadable(reason, at);
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
      const { name, args, block: inner } = directive;
      if (inner) return new Directive(name, args, directive, expanded(inner, depth));
      return name === 'include' ? included(directive, depth + 1) : directive;
    });
  }

  function included(directive: Directive, depth: number): readonly Directive[] {
    const [name = ''] = directive.args;
    if (depth > MAX_INCLUDES) throw new Unreadable(`${name} includes itself`, directive);
    // A relative name is relative to the folder of nginx.conf, also in an included file.
    const path = resolve(dirname(sources.main), name);
    const names = GLOB.test(path) ? tryTo(() => [...sources.matching(path)].sort()) : [path];
    if (names !== undefined) {
      return names.flatMap((file) => expanded(parsed(file, directive), depth));
    }
    const reason = `the pattern ${path} is not supported: write the names of the files`;
    throw new Unreadable(reason, directive);
  }

  const root = expanded(parsed(sources.main, { file: sources.main, line: 1 }), 0);
  const skipped = sources.all?.find((file) => !files.has(file));
  if (skipped !== undefined) {
    throw new Unreadable('no include reads this file', { file: skipped, line: 1 });
  }
  return { root, files: [...files.keys()] as readonly string[] };
}

export interface Sources {
  /** The file that nginx reads first. */
  readonly main: string;
  read(name: string): string | undefined;
  /** The files that nginx read, if they are known. */
  readonly all?: readonly string[];
  /** The files whose names match a glob. @throws SyntaxError if the glob is not supported */
  matching(glob: string): readonly string[];
}

/**
 * What `nginx -VT` writes to standard error, which `2>&1` adds before or after the files. Messages begin with
 * the name of the program (`angie: configuration file … test is successful`), or with a time.
 */
const MESSAGE =
  /^(?:\w+: (?:(?:the )?configuration file |\[\w+\])|[\d/]+ [\d:]+ \[\w+\]|\w+ version: |built (?:by|on|with) |TLS SNI support |configure arguments:).*$/gm;

/** The text without these lines, and the first of them that is an error. */
export function withoutMessages(printed: string) {
  const error = /^[^\n]*\[emerg\] (?:\d+#\d+: )?(.*)$/m.exec(printed)?.[1];
  return { text: printed.replace(MESSAGE, ''), error };
}

const MARK = /^# configuration file (.+):\r?$/gm;

/** The files in the output of `nginx -T`. Undefined if the text is not such output. */
export function dumpedFiles(text: string): Sources | undefined {
  const marks = [...text.matchAll(MARK)];
  const files = new Map<string, string>();
  for (const [index, mark] of marks.entries()) {
    const start = mark.index + mark[0].length + 1;
    // nginx prints the name as it is in the include: /etc/nginx/./conf.d/a.conf.
    files.set(resolve(mark[1] ?? ''), text.slice(start, marks[index + 1]?.index));
  }
  const all = [...files.keys()];
  const [main] = all;
  if (main === undefined) return undefined;
  return {
    main,
    all,
    read: (name) => files.get(name),
    matching(glob) {
      const pattern = globPattern(glob);
      return all.filter((file) => pattern.test(file));
    },
  };
}

/** In a name of an `include`, these make it a pattern, see glob(7). */
const GLOB = /[*?[]/;

/**
 * A regular expression for a glob. `*` does not match a slash or a leading dot.
 *
 * @throws SyntaxError for an escape, a set such as `[a-z]`, or a name with more stars than a regex matches quickly
 */
function globPattern(glob: string): RegExp {
  if (/[[\\]|(\*[^/]*){4}/.test(glob)) throw new SyntaxError(glob);
  const parts = glob.split('/').map((part) => {
    const plain = part.replace(/[.+^${}()|\]]/g, '\\$&').replaceAll('?', '[^/]');
    return (/^[*?]/.test(part) ? '(?!\\.)' : '') + plain.replaceAll('*', '[^/]*');
  });
  return new RegExp(`^${parts.join('/')}$`, 'su');
}

/** An nginx.conf on the disk, and the files that it includes. `text` is the text of nginx.conf. */
export function diskFiles(main: string, text: string): Sources {
  return {
    main,
    read: (name) => (name === main ? text : tryTo(() => readRegular(name))),
    matching: expand,
  };
}

function expand(glob: string): readonly string[] {
  let found = ['/'];
  for (const part of glob.split('/').filter(Boolean)) {
    found = found.flatMap((folder) => {
      if (!GLOB.test(part)) return [join(folder, part)];
      const pattern = globPattern(part);
      const names = tryTo(() => readdirSync(folder)) ?? [];
      return names.filter((name) => pattern.test(name)).map((name) => join(folder, name));
    });
  }
  return found;
}

/** A device or a pipe may have no end. */
export function readRegular(name: string): string | undefined {
  return statSync(name).isFile() ? readFileSync(name, 'utf8') : undefined;
}
