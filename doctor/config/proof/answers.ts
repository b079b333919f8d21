import type { Directive, Http, Location } from '../context.ts';
import { directivesOf } from './requests.ts';

/**
 * The statuses with which the copy answers instead of an application. The first one is the usual one. There is no 200:
 * an application that sends it has permitted the request, or sends its own page.
 */
export const STATUSES = ['502', '401', '403', '404'] as const;

/** `all`: the usual status, and those for which nginx has a page. `hidden`: without the pages that have a URL of their own. */
export function answersOf(http: Http, chain: readonly Location[]) {
  const lines = chain.flatMap(directivesOf);
  const locations = chain.flatMap(({ nested }) => nested);
  const pages = [...http.own('error_page'), ...lines.filter(({ name }) => name === 'error_page')];
  const isAnswered = lines.some(({ name }) => /_pass$|_by_lua|^js_content$/.test(name));
  const statusesOf = (some: readonly Directive[]) =>
    STATUSES.filter(
      (one, at) => at === 0 || (isAnswered && some.some(({ args }) => args.includes(one))),
    );
  const hidden = pages.filter((one) => isHidden(one, locations));
  return { all: statusesOf(pages), hidden: statusesOf(hidden) };
}

/** Whether an error_page leads to a named location, to one with `internal`, or to a URL that depends on the request. */
function isHidden({ args }: Directive, locations: readonly Location[]): boolean {
  const target = args.at(-1) ?? '';
  const mayGet = ({ modifier, path }: Location) =>
    modifier.startsWith('~') || target.startsWith(path);
  const internals = locations.filter((one) => one.inForce('internal') !== undefined);
  return /^@|\$/.test(target) || internals.some(mayGet);
}
