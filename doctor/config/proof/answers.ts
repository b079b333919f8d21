import type { Directive, Http, Location } from '../context.ts';
import { directivesOf } from './requests.ts';

/**
 * Status codes that the doctor answers instead of an application. The first one is the usual one. No 200: an application
 * that gives it has permitted the request, or sends its own page.
 */
export const STATUSES = ['502', '401', '403', '404'] as const;

/** The answers that lead on in a server block, and those that lead to what no URL selects. */
export function answersOf(http: Http, chain: readonly Location[]) {
  const lines = chain.flatMap(directivesOf);
  const locations = chain.flatMap(({ nested }) => nested);
  const pages = [...http.own('error_page'), ...lines.filter(({ name }) => name === 'error_page')];
  const isAnswered = lines.some(({ name }) => /_pass$|_by_lua|^js_content$/.test(name));
  const named = (some: readonly Directive[]) =>
    STATUSES.filter(
      (one, at) => at === 0 || (isAnswered && some.some(({ args }) => args.includes(one))),
    );
  return { all: named(pages), further: named(pages.filter((one) => isHidden(one, locations))) };
}

/** Whether an error_page leads to a named location, to one with `internal`, or to a URL that depends on the request. */
function isHidden({ args }: Directive, locations: readonly Location[]): boolean {
  const target = args.at(-1) ?? '';
  const mayGet = ({ modifier, path }: Location) =>
    modifier.startsWith('~') || target.startsWith(path);
  const internals = locations.filter((one) => one.inForce('internal') !== undefined);
  return /^@|\$/.test(target) || internals.some(mayGet);
}
