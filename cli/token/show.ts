import { type Api, notPostern } from '../api-client.ts';
import { Failure } from '../failure.ts';
import { type Progress, plain } from '../terminal.ts';

const TIMES = ['iat', 'nbf', 'exp', 'start_by', 'resumable_until', 'began'];

/**
 * A token's state, as text to print.
 *
 * @throws Failure
 */
export async function showToken(api: Api, id: string, json?: true): Promise<string> {
  const state = (await api.ask('GET', `/tokens/${id}`)) as Record<string, unknown>;
  return json ? `${JSON.stringify(state)}\n` : textOf(state);
}

/** A line for each field, as a person reads it. */
export function textOf(state: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(state).flatMap(([field, value]) => rowsOf(field, value));
  const width = Math.max(...rows.map(([field]) => field.length));
  return rows.map(([field, value]) => `${field.padEnd(width)}  ${value}\n`).join('');
}

function rowsOf(field: string, value: unknown): Array<[string, string]> {
  if (field !== 'requesters' || !Array.isArray(value)) return [[plain(field), shown(field, value)]];
  return value.map((requester) => [
    'requester',
    Object.entries(requester as object)
      .map(([name, part]) =>
        name === 'address' ? shown(name, part) : `${plain(name)} ${shown(name, part)}`,
      )
      .join(', '),
  ]);
}

/** Times as a person reads them, in UTC; a list in one line. */
export function shown(field: string, value: unknown): string {
  if (TIMES.includes(field) && typeof value === 'number') return timeOf(value);
  return plain(Array.isArray(value) ? value.join(' ') : String(value));
}

function timeOf(seconds: number): string {
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? String(seconds) : time.toISOString().replace('.000', '');
}

interface Page {
  readonly tokens: ReadonlyArray<Readonly<Record<string, unknown>>>;
  readonly next_cursor?: string;
}

/** The most that one page holds. */
const LIMIT = 1000;

/**
 * A subject's live tokens, all pages of them, as text to print.
 *
 * @throws Failure
 */
export async function listTokens(
  api: Api,
  subject: string,
  { json, progress }: { readonly json?: true; readonly progress: Progress },
): Promise<string> {
  const tokens: Page['tokens'][number][] = [];
  let cursor: string | undefined;
  try {
    do {
      const query = new URLSearchParams({
        subject,
        limit: String(LIMIT),
        ...(cursor && { cursor }),
      });
      const page = (await api.ask('GET', `/tokens?${query}`)) as Page;
      if (!Array.isArray(page.tokens)) throw notPostern(200);
      tokens.push(...page.tokens);
      progress.show(`${tokens.length} found`);
      // Pages go forward, or this would never end.
      if (page.next_cursor !== undefined && page.next_cursor === cursor) {
        throw new Failure('the service sent the same page twice');
      }
      cursor = page.next_cursor;
    } while (cursor !== undefined);
  } finally {
    progress.end();
  }
  if (json) return `${JSON.stringify({ tokens })}\n`;
  return tokens.map(lineOf).join('');
}

function lineOf(token: Page['tokens'][number]): string {
  const covers = shown('path', token.path ?? token.prefix);
  const uses =
    token.max_uses === undefined ? '' : `  max_uses ${shown('max_uses', token.max_uses)}`;
  return `${shown('id', token.id)}  ${shown('exp', token.exp)}  ${covers}${uses}\n`;
}

/**
 * Ends a token, or all of a subject's that this client has issued. Returns what to print.
 *
 * @throws Failure
 */
export async function revokeToken(api: Api, id: string, json?: true): Promise<string> {
  await api.ask('DELETE', `/tokens/${id}`);
  return json ? '{"revoked":1}\n' : `${id} is revoked.\n`;
}

export async function revokeSubject(api: Api, subject: string, json?: true): Promise<string> {
  const query = new URLSearchParams({ subject });
  const { revoked } = (await api.ask('DELETE', `/tokens?${query}`)) as { revoked: unknown };
  if (typeof revoked !== 'number') throw notPostern(200);
  return json ? `${JSON.stringify({ revoked })}\n` : `${revoked} revoked.\n`;
}
