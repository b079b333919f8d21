import type { RequestListener } from 'node:http';
import { expect } from 'vitest';
import { pageAnswer, send } from '../../service/gate/answer.ts';
import { pageRequest } from '../../service/gate/headers.ts';
import { createPages } from '../../service/pages/pages.ts';
import type { RawAnswer } from './raw.ts';

export const BROWSER = {
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
};
const SENTENCE =
  'The link cannot be opened now. Try again later, or ask the sender for a new link.\n';

/** A gate whose denial is written in the query: `?401,pin_wrong`. The other headers are in `denial`. */
export const denial: { file?: string; until?: string; more?: string } = {};
export const decisions: RequestListener = (request, response) => {
  const [, status = '401', code = ''] =
    /\?(\d+),(\w*)/.exec(String(request.headers['x-original-uri'])) ?? [];
  const { file = '', until = '-', more = '' } = denial;
  const words = `${until} ${encodeURIComponent(file)} ${more}`;
  response.writeHead(Number(status), {
    ...(code !== '' && { 'Postern-Reason': code }),
    ...(file !== '' && { 'Postern-File': words }),
    ...(status === '401' && { 'WWW-Authenticate': 'Bearer realm="postern"' }),
    ...(status === '200' && { 'X-Accel-Redirect': '/protected/none' }),
    ...(status === '204' && { 'Postern-Target': '/protected/none' }),
    'Content-Length': '0',
  });
  response.end();
};

/** What every page has, in each language and for each mode. */
export function expectPage(answer: RawAnswer, status: number, lang = 'en'): void {
  expect(answer.status).toBe(status);
  expect(answer.header('Content-Type')).toBe('text/html; charset=utf-8');
  const policy = answer.header('Content-Security-Policy') ?? '';
  expect(policy.replace(/; script-src 'nonce-[0-9a-f]{32}'$/, '')).toMatch(
    /^default-src 'none'; style-src 'sha256-[^' ]{44}'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/,
  );
  // A page with a form has one script, with the nonce of the policy. Other pages have none.
  const [, nonce] = /script-src 'nonce-(.*)'/.exec(policy) ?? [];
  const scripts = answer.text.match(/<script[^>]*>/g) ?? [];
  expect(scripts).toEqual(answer.text.includes('<form') ? [`<script nonce="${nonce}">`] : []);
  expect(answer.header('Referrer-Policy')).toMatch(/^(no-referrer|same-origin)$/);
  expect(answer.header('X-Content-Type-Options')).toBe('nosniff');
  expect(answer.header('X-Robots-Tag')).toBe('noindex');
  expect(answer.headers.filter(([name]) => name === 'cache-control')).toHaveLength(1);
  expect(answer.header('Cache-Control')).toMatch(/no-store/);
  expect(answer.text).toMatch(new RegExp(`^<!doctype html>\n<html lang="${lang}">\n<head>`));
  expect(answer.text).toMatch(/<\/main>\n<\/body>\n<\/html>\s*$/);
  expect(answer.text).not.toMatch(
    /<!--|an error occurred|<link(?! rel="icon" href="data:)|src=|@import|url\(/,
  );
  expect(answer.body.length).toBeLessThan(10 * 1024);
}

/** What a browser gets if there is no page: the status of the denial, and one sentence. */
export function expectSentence(answer: RawAnswer, status: number): void {
  expect(answer.status).toBe(status);
  expect(answer.text).toBe(SENTENCE);
  expect(answer.header('Content-Type')).toBe('text/plain');
  expect(answer.header('Cache-Control')).toMatch(/no-store/);
  expect(answer.header('Retry-After')).toBe(status === 503 ? '5' : undefined);
}

/** A gate that writes the pages as Postern does, and leaves all other requests to `gate`. */
export function withPages(gate: RequestListener): RequestListener {
  const pageFor = createPages({}, '');
  return (request, response) =>
    request.url === '/page'
      ? send(response, pageAnswer(pageFor(pageRequest(request.headers))))
      : gate(request, response);
}
