import { dirname } from 'node:path';
import { UsageError } from '../../common/errors.ts';
import { escapeControls } from '../../common/terminal.ts';

/** A file, with its name in nginx, and a line number from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
}

/** The text is not a configuration. The message has the file, the line and the reason. */
export class Unreadable extends UsageError {
  constructor(reason: string, { file, line }: Position) {
    super(escapeControls(`${file}:${line}: ${reason}`));
  }
}

const HANDLED_BY =
  /^((proxy|fastcgi|uwsgi|scgi|grpc|memcached)_pass|stub_status|empty_gif|content_by_lua\w*|js_content|perl)$/;

/** One directive, with its words as nginx reads them: without quotes and escapes. */
export class Directive implements Position {
  readonly name: string;
  readonly args: readonly string[];
  readonly file: string;
  readonly line: number;
  /** The directives in its braces, with includes expanded; undefined if it has no braces. */
  readonly block: readonly Directive[] | undefined;

  constructor(name: string, args: readonly string[], at: Position, block?: readonly Directive[]) {
    this.name = name;
    this.args = args;
    this.file = at.file;
    this.line = at.line;
    this.block = block;
  }

  /** The directives of these names in the braces. */
  own(...names: string[]): readonly Directive[] {
    return (this.block ?? []).filter(({ name }) => names.includes(name));
  }

  has(name: string): boolean {
    return this.own(name).length > 0;
  }

  get words(): string {
    return [this.name, ...this.args].join(' ');
  }

  /** The same with its position: `location /a/ (nginx.conf:12)`. */
  get titleAt(): string {
    return `${this.words} (${this.file}:${this.line})`;
  }

  /** The directive as text that nginx reads as the same words. */
  get text(): string {
    return `${[this.name, ...this.args.map(quoted)].join(' ')};`;
  }

  /** The directives before the first that can skip those below it: a `break`, or in a server block a `last`. */
  get sure(): readonly Directive[] {
    const { block = [] } = this;
    const skips = ({ name, args, block: inner = [] }: Directive): boolean =>
      name === 'break' ||
      (name === 'rewrite' &&
        (args[2] === 'break' || (this.name === 'server' && args[2] === 'last'))) ||
      (name === 'if' && inner.some(skips));
    const end = block.findIndex(skips);
    return end < 0 ? block : block.slice(0, end);
  }

  /** Whether the response to each request of the block is something other than a file. */
  get isHandled(): boolean {
    // Such as the location of the script of a listing.
    const leaves = ({ name, args: [regex = '', to = '', flag = ''] }: Directive): boolean =>
      name === 'return' ||
      (name === 'rewrite' &&
        /^\^?\/?(\(?\.\*\)?\$?)?$/.test(regex) &&
        (/^(last|redirect|permanent)$/.test(flag) || /^(https?:|\$scheme)/.test(to)));
    return this.sure.some(leaves) || (this.block ?? []).some(({ name }) => HANDLED_BY.test(name));
  }
}

/**
 * A text as one word of a configuration, by the rules of ngx_conf_read_token: in double quotes only `"` and `\` are
 * special. It does not escape `$`, so use it only where nginx expands no variables, such as in the prefix of a location.
 */
export function quoted(word: string): string {
  return /^[^\s;{}"'\\#]+$/.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&')}"`;
}

/** A block and the block that it inherits from: a location, its server, the http block. */
export class Context extends Directive {
  declare readonly block: readonly Directive[];
  readonly parent: Context | undefined;

  constructor(at: Directive, parent?: Context) {
    super(at.name, at.args, at, at.block ?? []);
    this.parent = parent;
  }

  /** The directives of these names that apply here: the nearest level that has any replaces all levels above. */
  effective(...names: string[]): readonly Directive[] {
    const here = this.own(...names);
    return here.length > 0 ? here : (this.parent?.effective(...names) ?? []);
  }

  /** The directive that applies here, for a directive that can occur once. */
  inForce(name: string): Directive | undefined {
    return this.effective(name)[0];
  }

  firstWord(name: string): string | undefined {
    return this.inForce(name)?.args[0];
  }

  /** The directive that turns something on here, if there is one. */
  turnedOn(name: string): Directive | undefined {
    return this.firstWord(name) === 'off' ? undefined : this.inForce(name);
  }
}

/** A location, or a server block: it serves requests that match no location, as `location /` would. */
export class Location extends Context {
  /** `?`: of a kind that the doctor does not know. */
  readonly modifier: '' | '=' | '^~' | '~' | '~*' | '@' | '?';
  /** The prefix, the exact path, the regex, or the name. */
  readonly path: string;
  readonly server: Location;
  readonly locations: readonly Location[];

  constructor(at: Directive, parent: Context, server?: Location) {
    super(at, parent);
    this.server = server ?? this;
    // In nginx the modifier is a separate word, or part of the path.
    const [first = '', second, third] = server === undefined ? ['/'] : at.args;
    const [modifier = ''] = /^(?:=|\^~|~\*|~|@)/.exec(first) ?? [];
    const isKnown = second === undefined ? !first.startsWith('$') : first === modifier && !third;
    this.modifier = isKnown ? (modifier as Location['modifier']) : '?';
    this.path = second ?? (modifier === '@' ? first : first.slice(modifier.length));
    this.locations = at.own('location').map((one) => new Location(one, this, this.server));
  }

  /** The names of a server block, as in `$server_name`: in lower case, without the dot of `.files.example`. */
  get names(): readonly string[] {
    return this.own('server_name').flatMap(({ args }) =>
      args.map((name) => name.replace(/^\./, '').toLowerCase()),
    );
  }

  /** The addresses of a server block, each with a port or as a Unix socket. */
  get listens(): readonly string[] {
    const lines = this.own('listen').map(({ args }) => args[0] ?? '');
    // nginx listens on port 80 if the line names no port, or if there is no line.
    return (lines.length > 0 ? lines : ['*']).map((address) =>
      /^(unix:.*|\d+|.*:\d+)$/.test(address) ? address : `${address}:80`,
    );
  }

  /** This one, and all locations in it. */
  get nested(): readonly Location[] {
    return [this, ...this.locations.flatMap((one) => one.nested)];
  }

  get isPrefix(): boolean {
    return this.modifier === '' || this.modifier === '^~';
  }

  /** The location that nginx selects by prefix, before it tries regexes. */
  prefixMatch(uri: string): Location | undefined {
    const exact = this.locations.find(({ modifier, path }) => modifier === '=' && path === uri);
    if (exact !== undefined) return exact;
    const best = this.#longestPrefix(uri);
    return best?.prefixMatch(uri) ?? best;
  }

  #longestPrefix(uri: string): Location | undefined {
    return this.locations
      .filter((one) => one.isPrefix && uri.startsWith(one.path))
      .sort((a, b) => b.path.length - a.path.length)[0];
  }

  /** The regex locations of this level that could match a URI, or a URI below it, instead of its prefix location. */
  regexRivals(uri: string): readonly Location[] {
    return this.locations.filter(
      ({ modifier, path }) => modifier.startsWith('~') && couldMatch(path, uri, modifier === '~*'),
    );
  }
}

/** The http block of a configuration. A file without one is read as the content of an http block. */
export class Http extends Context {
  /** The whole configuration, which contains the http block. */
  readonly main: Context;
  readonly servers: readonly Location[];
  /** The folders that a relative `root` can be in. Empty: unknown. */
  readonly prefixes: readonly string[];

  constructor(block: readonly Directive[], file: string, prefix?: string) {
    const main = new Context(new Directive('main', [], { file, line: 1 }, block));
    super(main.own('http')[0] ?? new Directive('http', [], main, block));
    this.main = main;
    // With -p, nginx has another prefix than that of its build: usually the folder of its nginx.conf, or the one above.
    const folder = dirname(file);
    this.prefixes = prefix === undefined ? [] : [...new Set([prefix, folder, dirname(folder)])];
    this.servers = this.own('server').map((one) => new Location(one, this));
  }

  /** All server blocks and locations. */
  get blocks(): readonly Location[] {
    return this.servers.flatMap((one) => one.nested);
  }

  /** The last map for this variable, which is the one that nginx uses. */
  map(variable: string): Directive | undefined {
    return this.own('map').findLast(({ args }) => args[1] === variable);
  }
}

/** The constant text with which every match of a regex begins. */
export function beginningOf(regex: string): string {
  const outside = regex.replace(/\\./gs, '').replace(/\([^()]*\)/g, '');
  const [, start = ''] = /^\^((?:[\w/-](?![*+?{]))*)/.exec(regex) ?? [];
  return outside.includes('|') ? '' : start;
}

/** Whether a regex could match: it cannot if it begins with other letters. */
function couldMatch(regex: string, uri: string, ignoresCase: boolean): boolean {
  const fold = (text: string) => (ignoresCase ? text.toLowerCase() : text);
  const [a, b] = [fold(beginningOf(regex)), fold(uri)];
  return a.startsWith(b) || b.startsWith(a);
}
