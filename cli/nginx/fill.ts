import type { Plan } from './plan.ts';

/** Snippets in which something is to be filled in, and how. The snippets themselves are the templates. */
const FILL: Readonly<Record<string, (text: string, plan: Plan) => string>> = {
  'limit-conn.conf': (text, { limitConn }) =>
    replaceLine(
      text,
      /^limit_conn postern_connections \d+;$/gm,
      `limit_conn postern_connections ${limitConn};`,
    ),

  'cors.conf': (text, { origins }) =>
    replaceLine(text, /^ {4}# https:\/\/\S+ \$http_origin;$/gm, origins.map(originLine).join('\n')),

  'login.conf': (text, { login }) =>
    replaceLine(
      text,
      /^ {4}default "[^"]*\$postern_return";$/gm,
      `    default "${login}$postern_return";`,
    ),
};

/** A snippet's text with what the plan says. */
export function fill(name: string, text: string, plan: Plan): string {
  return FILL[name]?.(text, plan) ?? text;
}

/** nginx's hash of a map has room for about this many; a regular expression has no such bound. */
const MAX_KEY_LENGTH = 40;

function originLine(origin: string): string {
  const key =
    origin.length <= MAX_KEY_LENGTH ? origin : `~^${origin.replace(/[.[\]]/g, '\\\\$&')}$`;
  return `    "${key}" $http_origin;`;
}

/** Not as a string, in which `$` would mean something. */
function replaceLine(text: string, line: RegExp, by: string): string {
  let count = 0;
  const filled = text.replace(line, () => {
    count += 1;
    return by;
  });
  if (count === 1) return filled;
  throw new TypeError(`${line} must be once in the snippet that it fills`);
}
