import type { Place } from './directive.ts';
import { effective, inForce, type Location, own, title, turnedOn } from './scope.ts';
import type { Site } from './site.ts';

/** A trap, and how to fix it. */
export interface Finding {
  readonly at: Place;
  /** What the configuration contains, in one line. */
  readonly seen: string;
  readonly why: string;
  /** The directive that fixes it, or what to change. */
  readonly fix: string;
}

export interface Rule {
  readonly id: string;
  find(site: Site): readonly Finding[];
}

/** A line of a snippet that protects something, and whether a location has it. */
export interface Requirement {
  /** The line, which is also the fix. */
  readonly line: string;
  readonly why: string;
  holds(location: Location): boolean;
}

/** Compares the directives in force, not the text: a snippet may be edited. */
export function unmetRequirements(
  location: Location,
  needs: readonly Requirement[],
): readonly Finding[] {
  return needs
    .filter((need) => !need.holds(location))
    .map(({ line, why }) => ({
      at: location.at,
      seen: `${title(location)} lacks ${line}`,
      why,
      fix: line,
    }));
}

/** Off by nginx's default, so the line is only needed if another line turns it on. */
export function isOff(name: string): Requirement['holds'] {
  return (location) => turnedOn(location, name) === undefined;
}

/** On by nginx's default. */
export function isSetOff(name: string): Requirement['holds'] {
  return (location) => inForce(location, name)?.args[0] === 'off';
}

export function has(name: string, ...words: readonly string[]): Requirement['holds'] {
  return (location) =>
    own(location, name).some(({ args }) => words.every((word) => args.includes(word)));
}

/** Header names in the way of HTTP: any case. */
export function sends(header: string, value: string): Requirement['holds'] {
  return (location) =>
    effective(location, 'proxy_set_header').some(
      ({ args }) => args[0]?.toLowerCase() === header.toLowerCase() && args[1] === value,
    );
}

/** What nginx sends to the gate. A client that could set any of it would get in. */
export const TELLS: readonly Requirement[] = [
  {
    line: 'proxy_pass_request_headers off;',
    why: 'A client can send headers that only nginx may send.',
    holds: isSetOff('proxy_pass_request_headers'),
  },
  {
    line: 'proxy_set_header X-Original-URI $request_uri;',
    why: 'The gate must decide on the unchanged request line: $uri is decoded, and a line break in it becomes a second header.',
    holds: sends('X-Original-URI', '$request_uri'),
  },
  {
    line: 'proxy_set_header X-Original-Method $request_method;',
    why: 'The gate allows only GET and HEAD, and HEAD takes no use.',
    holds: sends('X-Original-Method', '$request_method'),
  },
  {
    line: 'proxy_set_header Postern-Site $server_name;',
    why: '$server_name names the site; the client chooses $host.',
    holds: sends('Postern-Site', '$server_name'),
  },
  {
    line: 'proxy_set_header X-Real-IP $remote_addr;',
    why: 'The gate uses it to check `ip` and to recognize requesters.',
    holds: sends('X-Real-IP', '$remote_addr'),
  },
];

/** nginx neither stores nor changes responses of the gate. */
export const FRESH: readonly Requirement[] = [
  {
    line: 'proxy_store off;',
    why: 'nginx stores a response as a file that it then sends to every client.',
    holds: isOff('proxy_store'),
  },
  {
    line: 'proxy_intercept_errors off;',
    why: 'An error_page of the site can replace a denial.',
    holds: isOff('proxy_intercept_errors'),
  },
];
