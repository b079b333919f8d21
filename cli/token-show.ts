import type { Api } from './api/ask.ts';
import { plain } from './plain.ts';

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
