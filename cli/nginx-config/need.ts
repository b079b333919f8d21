import type { Finding } from './finding.ts';
import { effective, inForce, type Location, own, title, turnedOn } from './scope.ts';

/** A line of a snippet that locks something, and whether a location has what it says. */
export interface Need {
  /** The line, which is what fixes it. */
  readonly line: string;
  readonly why: string;
  holds(location: Location): boolean;
}

/** Compared is what is in force, not the text: a snippet may be edited, and have other words. */
export function missing(location: Location, needs: readonly Need[]): readonly Finding[] {
  return needs
    .filter((need) => !need.holds(location))
    .map(({ line, why }) => ({
      at: location.at,
      seen: `${title(location)} lacks ${line}`,
      why,
      fix: line,
    }));
}

/** Off by nginx' own default, so nobody needs to say it where nobody says otherwise. */
export function isOff(name: string): Need['holds'] {
  return (location) => turnedOn(location, name) === undefined;
}

/** On by nginx' own default. */
export function isSetOff(name: string): Need['holds'] {
  return (location) => inForce(location, name)?.args[0] === 'off';
}

export function has(name: string, ...words: readonly string[]): Need['holds'] {
  return (location) =>
    own(location, name).some(({ args }) => words.every((word) => args.includes(word)));
}

/** Header names in the way of HTTP: any case. */
export function sends(header: string, value: string): Need['holds'] {
  return (location) =>
    effective(location, 'proxy_set_header').some(
      ({ args }) => args[0]?.toLowerCase() === header.toLowerCase() && args[1] === value,
    );
}

/** What nginx tells the gate; the client's own word for any of it would be a way in. */
export const TELLS: readonly Need[] = [
  {
    line: 'proxy_pass_request_headers off;',
    why: 'A client can send headers that are meant to be nginx’s alone.',
    holds: isSetOff('proxy_pass_request_headers'),
  },
  {
    line: 'proxy_set_header X-Original-URI $request_uri;',
    why: 'The gate must decide on the request line as it came: $uri is decoded, and a line break in it is a second header.',
    holds: sends('X-Original-URI', '$request_uri'),
  },
  {
    line: 'proxy_set_header X-Original-Method $request_method;',
    why: 'The gate allows GET and HEAD alone, and HEAD takes no use.',
    holds: sends('X-Original-Method', '$request_method'),
  },
  {
    line: 'proxy_set_header Postern-Site $server_name;',
    why: 'The server block says which site this is; $host is the client’s word.',
    holds: sends('Postern-Site', '$server_name'),
  },
  {
    line: 'proxy_set_header X-Real-IP $remote_addr;',
    why: 'A token for certain addresses, and requesters, are told by it.',
    holds: sends('X-Real-IP', '$remote_addr'),
  },
];

/** No answer of the gate's is kept, or turned into another. */
export const FRESH: readonly Need[] = [
  {
    line: 'proxy_store off;',
    why: 'An answer that is kept as a file is there for everybody.',
    holds: isOff('proxy_store'),
  },
  {
    line: 'proxy_intercept_errors off;',
    why: 'With an error_page of the site a denial becomes something else.',
    holds: isOff('proxy_intercept_errors'),
  },
];
