import { type ApiClient, notPostern } from '../../common/api-client.ts';
import { Failure } from '../../common/errors.ts';
import { escapeControls } from '../../common/terminal.ts';

const TIMES = [
  ...['iat', 'nbf', 'not_before', 'exp', 'start_by', 'resumable_until', 'began'],
  ...['first', 'last'],
];

/** A line for each field, for a person. */
export function stateText(state: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(state).flatMap(([field, value]) => rowsOf(field, value));
  const width = Math.max(...rows.map(([field]) => field.length));
  return rows.map(([field, value]) => `${field.padEnd(width)}  ${value}\n`).join('');
}

function rowsOf(field: string, value: unknown): Array<[string, string]> {
  if (field === 'requesters' && Array.isArray(value))
    return value.map((requester) => ['requester', partsOf(requester)]);
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return [[escapeControls(field), isObject ? partsOf(value) : displayValue(field, value)]];
}

function partsOf(value: object): string {
  return Object.entries(value)
    .map(([name, part]) =>
      name === 'address'
        ? displayValue(name, part)
        : `${escapeControls(name)} ${displayValue(name, part)}`,
    )
    .join(', ');
}

/** A time is displayed in UTC, a list on one line. */
function displayValue(field: string, value: unknown): string {
  if (TIMES.includes(field) && typeof value === 'number') return timeOf(value);
  return escapeControls(Array.isArray(value) ? value.join(' ') : String(value));
}

export function timeOf(seconds: number): string {
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? String(seconds) : time.toISOString().replace('.000', '');
}

interface Page {
  readonly tokens: ReadonlyArray<Readonly<Record<string, unknown>>>;
  readonly next_cursor?: string;
}

const MAX_PAGE = 100;

/** Parameters of `GET /tokens` and `DELETE /tokens`. */
export function queryOf(values: Readonly<Record<string, string | undefined>>): URLSearchParams {
  return new URLSearchParams(
    Object.entries(values).filter((one): one is [string, string] => one[1] !== undefined),
  );
}

export async function listTokens(
  api: ApiClient,
  selection: Parameters<typeof queryOf>[0],
): Promise<Page['tokens']> {
  const tokens: Page['tokens'][number][] = [];
  let cursor: string | undefined;
  do {
    const query = queryOf({ ...selection, limit: String(MAX_PAGE), cursor });
    const page = (await api.ask('GET', `/tokens?${query}`)) as Page;
    if (!Array.isArray(page.tokens)) throw notPostern(200);
    tokens.push(...page.tokens);
    // Otherwise this loop would never end.
    if (page.next_cursor !== undefined && page.next_cursor === cursor) {
      throw new Failure('the service sent the same page twice');
    }
    cursor = page.next_cursor;
  } while (cursor !== undefined);
  // The service orders them by the latest end, at which resuming ends too.
  return tokens.sort((a, b) => Number(a.exp) - Number(b.exp));
}

/** A line for each token, for a person, with these fields if it has them. */
export function listText(tokens: Page['tokens'], fields: readonly string[]): string {
  const lines = tokens.map((token) => {
    const covers = displayValue('path', token.path ?? token.prefix);
    const more = fields.flatMap((name) =>
      token[name] === undefined ? [] : `  ${name} ${displayValue(name, token[name])}`,
    );
    return `${displayValue('id', token.id)}  ${displayValue('exp', token.exp)}  ${covers}${more.join('')}\n`;
  });
  return lines.join('');
}
