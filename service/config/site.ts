import type { Faults } from './fault.ts';
import type { Given } from './given.ts';

/** A host name, or nginx's `_`, `*.example.com` and `mail.*`: what `$server_name` can be. */
const SITE = /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*)?$/;

/** nginx's `$server_name` of a site, in lower case as nginx has it. */
export function readSite(given: Given, faults: Faults): string | undefined {
  const site = typeof given.value === 'string' ? given.value.toLowerCase() : '';
  if (SITE.test(site)) return site;
  return faults.add(
    given,
    "a site as the first name in nginx's server_name, such as files.example: " +
      'no port, no regular expression, no dot at either end',
  );
}

/** Splits `files.example:/media/` into its site and its prefix; without a site, only the prefix. */
export function splitSite(text: string): { site?: string; prefix: string } {
  const colon = text.startsWith('/') ? -1 : text.indexOf(':/');
  if (colon < 0) return { prefix: text };
  return { site: text.slice(0, colon), prefix: text.slice(colon + 1) };
}

/** Whether there is a site that both are for; absent: every site. */
export function sitesOverlap(a: string | undefined, b: string | undefined): boolean {
  return a === undefined || b === undefined || a === b;
}
