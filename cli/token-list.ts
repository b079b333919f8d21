import { type Api, notPostern } from './api/ask.ts';
import { Failure } from './failure.ts';
import type { Progress } from './progress.ts';
import { shown } from './token-show.ts';

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
