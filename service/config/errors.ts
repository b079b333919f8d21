/** Where a value was configured, and what a report may show of it. */
export interface Source {
  /** The variable, `POSTERN_MOUNTS`, or the path in the file, `mounts[1].internal`. */
  readonly field: string;
  /** File and line, `/etc/postern.yaml:12`; absent: from the environment. */
  readonly where?: string | undefined;
  /** The redacted value; absent: a report must not show it. */
  readonly shown?: string | undefined;
}

/** One error in the configuration. */
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

  get count(): number {
    return this.issues.length;
  }

  /** Every issue as text. */
  get text(): string {
    return issuesText(this.issues);
  }
}

function issuesText(issues: readonly ConfigIssue[]): string {
  const blocks = issues.map(({ field, where, value, expected }) => {
    const place = where === undefined ? '' : `  (${where})`;
    const now = value === undefined ? '' : `    is now:   ${value}\n`;
    return `  ${field}${place}\n${now}    expected: ${expected}`;
  });
  return blocks.join('\n\n');
}

/** Longer values are cut. */
const MAX_SHOWN = 100;

/** A text in quotes, on one line, without characters that control a terminal. */
export function quote(text: string): string {
  const cut = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  return JSON.stringify(cut).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

/** Maximum number of letters that differ. */
const MAX_TYPOS = 2;

/** `; did you mean …?` if a name is close to a known one, else an empty text. */
export function suggest(name: string, known: readonly string[]): string {
  const [nearest] = known
    .map((candidate) => ({ candidate, typos: distance(name, candidate) }))
    .filter(({ typos }) => typos <= MAX_TYPOS)
    .sort((a, b) => a.typos - b.typos);
  return nearest === undefined ? '' : `; did you mean ${nearest.candidate}?`;
}

/** Levenshtein distance: the number of letters to change, add or remove. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + Number(a[i - 1] !== b[j - 1]);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
