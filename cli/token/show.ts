import { type ApiClient, notPostern } from '../api-client.ts';
import { Failure } from '../errors.ts';
import { escapeControls, type Progress } from '../terminal.ts';

const TIMES = ['iat', 'nbf', 'exp', 'start_by', 'resumable_until', 'began', 'first', 'last'];

export async function showToken(api: ApiClient, id: string, json?: true): Promise<string> {
  const state = (await api.ask('GET', `/tokens/${id}`)) as Record<string, unknown>;
  return json ? `${JSON.stringify(state)}\n` : stateText(state);
}

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

function timeOf(seconds: number): string {
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? String(seconds) : time.toISOString().replace('.000', '');
}

interface Page {
  readonly tokens: ReadonlyArray<Readonly<Record<string, unknown>>>;
  readonly next_cursor?: string;
}

const MAX_PAGE = 1000;

export async function listTokens(
  api: ApiClient,
  subject: string,
  { json, progress }: { readonly json?: true | undefined; readonly progress: Progress },
): Promise<string> {
  const tokens: Page['tokens'][number][] = [];
  let cursor: string | undefined;
  try {
    do {
      const query = new URLSearchParams({
        subject,
        limit: String(MAX_PAGE),
        ...(cursor && { cursor }),
      });
      const page = (await api.ask('GET', `/tokens?${query}`)) as Page;
      if (!Array.isArray(page.tokens)) throw notPostern(200);
      tokens.push(...page.tokens);
      progress.show(`${tokens.length} found`);
      // Otherwise this loop would never end.
      if (page.next_cursor !== undefined && page.next_cursor === cursor) {
        throw new Failure('the service sent the same page twice');
      }
      cursor = page.next_cursor;
    } while (cursor !== undefined);
  } finally {
    progress.end();
  }
  // The service orders them by the latest end, at which resuming ends too.
  tokens.sort((a, b) => Number(a.exp) - Number(b.exp));
  if (json) return `${JSON.stringify({ tokens })}\n`;
  return tokens.map(lineOf).join('');
}

function lineOf(token: Page['tokens'][number]): string {
  const covers = displayValue('path', token.path ?? token.prefix);
  const uses =
    token.max_uses === undefined ? '' : `  max_uses ${displayValue('max_uses', token.max_uses)}`;
  return `${displayValue('id', token.id)}  ${displayValue('exp', token.exp)}  ${covers}${uses}\n`;
}

export async function revokeToken(api: ApiClient, id: string, json?: true): Promise<string> {
  await api.ask('DELETE', `/tokens/${id}`);
  return json ? '{"revoked":1}\n' : `${id} is revoked.\n`;
}

/** Revokes all tokens of a subject that this client issued. */
export async function revokeSubject(api: ApiClient, subject: string, json?: true): Promise<string> {
  const query = new URLSearchParams({ subject });
  const { revoked } = (await api.ask('DELETE', `/tokens?${query}`)) as { revoked: unknown };
  if (typeof revoked !== 'number') throw notPostern(200);
  return json ? `${JSON.stringify({ revoked })}\n` : `${revoked} revoked.\n`;
}
