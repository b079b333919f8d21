import { plain } from '../plain.ts';
import { fill } from './fill.ts';
import { readSnippet, snippetsFolder, version } from './package.ts';
import type { Plan } from './plan.ts';
import { render } from './render.ts';

/** The configuration as files below nginx's folder: its site, and the snippets that it includes. */
export function filesOf(plan: Plan, line: string): ReadonlyMap<string, string> {
  const snippets = new Map<string, string>();
  const site = render(plan, (name) => {
    snippets.set(`postern/${name}`, fill(name, readSnippet(name), plan));
    return `include postern/${name};`;
  });
  const where = ['Where: in the http block, beside postern/, the folder of what it includes.'];
  // The site's own file comes last: it needs the others.
  return new Map([...snippets, ['conf.d/postern.conf', `${head(line, where)}\n${site}\n`]]);
}

/** The same as one text, with what was filled in written out. */
export function textOf(plan: Plan, line: string): string {
  const site = render(plan, (name) => {
    const snippet = readSnippet(name);
    const filled = fill(name, snippet, plan);
    return filled === snippet
      ? `include postern/${name};`
      : `# As postern/${name}, filled in:\n\n${filled.trimEnd()}\n`;
  });
  const where = [
    'Where: in the http block. What it includes is here, and has to be in postern/ beside nginx.conf:',
    `    ${plain(snippetsFolder)}`,
    'With --out /etc/nginx it would all be written.',
  ];
  return `${head(line, where)}\n${site}\n`;
}

/** No value with a line break is accepted, so the command line is one comment. */
function head(line: string, where: readonly string[]): string {
  const lines = [
    `Made by postern ${version()} of its mounts:`,
    `    ${plain(line)}`,
    'Changes are better made there: with --force it is written anew.',
    '',
    ...where,
  ];
  return lines.map((text) => `${`# ${text}`.trimEnd()}\n`).join('');
}
