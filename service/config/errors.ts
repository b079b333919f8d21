/** Where a value was configured, and what a report may show of it. */
export interface Source {
  /** The variable, `POSTERN_LISTEN`, or the path in the file, `mounts[1].internal`. */
  readonly field: string;
  /** File and line, `/etc/postern.yaml:12`; absent: from the environment. */
  readonly where?: string | undefined;
  /** The value; absent: a report must not show it. */
  readonly shown?: string | undefined;
}

export interface ConfigIssue extends Pick<Source, 'field' | 'where'> {
  /** The current value, safe for a terminal and a log: never a secret or a part of one. */
  readonly value?: string | undefined;
  /** A description of valid values, with an example. */
  readonly expected: string;
}

/** The configuration cannot be used. `message` is the report on every issue. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly issues: readonly ConfigIssue[];

  constructor(issues: readonly ConfigIssue[]) {
    const count = issues.length === 1 ? '1 error' : `${issues.length} errors`;
    super(`Postern cannot start: ${count} in its configuration.\n\n${issuesText(issues)}`);
    this.issues = issues;
  }
}

/** Collects issues, so that one run reports all of them. */
export class ConfigErrors {
  readonly issues: ConfigIssue[] = [];

  /** Returns undefined, so that a function can return the result for an invalid value. */
  add({ field, where, shown: value }: Source, expected: string): undefined {
    this.issues.push({ field, where, value, expected });
  }
}

export function issuesText(issues: readonly ConfigIssue[]): string {
  const blocks = issues.map(({ field, where, value, expected }) => {
    const place = where === undefined ? '' : `  (${where})`;
    const now = value === undefined ? '' : `    is now:   ${value}\n`;
    return `  ${field}${place}\n${now}    expected: ${expected}`;
  });
  return blocks.join('\n\n');
}

const MAX_SHOWN = 100;

/** A text in quotes, on one line, without characters that control a terminal. */
export function quote(text: string): string {
  const cut = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  return JSON.stringify(cut).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

/**
 * A secret can be in the wrong setting: `POSTERN_LISTEN=web:<key>`. A key or token has 12 letters and digits in a row, or
 * both cases side by side. A password precedes @, or follows a colon, after which only ports, paths and IPv6 are shown.
 */
const MAY_BE_SECRET = /[A-Za-z0-9]{12}|[a-z0-9][A-Z]|[A-Z][a-z0-9]|:\d*[^\d/:\],\s]|[@?]/;

/** An address or a path. Without a slash or a colon, a text with dots could be a password. */
const PLACE_FORM = /^[\d.]+$|[/:]|\.(?:ya?ml|json|pem|crt|key)$/;

export const mayBeSecret = (text: string) => MAY_BE_SECRET.test(text);

/** What a report may show of a value that the table of settings calls a word or a place; undefined: nothing. */
export function shown(kind: unknown, value: unknown): string | undefined {
  if (Array.isArray(value)) return 'a list';
  if (value === null) return 'nothing';
  if (typeof value === 'object') return 'a mapping';
  const text = String(value);
  const isKind = kind === 'word' ? text.length <= 12 : kind === 'place' && PLACE_FORM.test(text);
  if (value === undefined || mayBeSecret(text) || !isKind) return undefined;
  return typeof value === 'string' ? quote(text) : text;
}
