import { type Frame, terminal } from './terminal.ts';

/** The sections that the recording shows: those that explain the most. */
const SECTIONS = ['A token opens one file, for a limited time', 'Revocation'];

const SECONDS_A_STEP = 1.5;

/** A recording of what `npm run demo` printed. Its secrets are shortened, so that lines stay short. */
export function demoPicture(output: string): string {
  const sections = output
    .split(/\n\n(?=[A-Z])/)
    .filter((text) => SECTIONS.includes(firstLine(text)));
  if (sections.length < SECTIONS.length) throw new Error(`the demo printed no section ${SECTIONS}`);
  const steps = sections.flatMap((text) => shortened(text).split('\n\n'));
  // A heading belongs to the step below it.
  const joined = steps.reduce<string[][]>((groups, step) => {
    const last = groups.at(-1);
    if (last?.length === 1 && /^[A-Z]/.test(last[0] ?? '')) last.push(step);
    else groups.push([step]);
    return groups;
  }, []);
  const frames = joined.map((group, at): Frame => {
    const lines = group.join('\n\n').split('\n');
    const last = at === joined.length - 1;
    return { lines: last ? lines : [...lines, ''], after: at * SECONDS_A_STEP };
  });
  return terminal('A recording of npm run demo', frames);
}

const firstLine = (text: string) => text.slice(0, text.indexOf('\n'));

function shortened(text: string): string {
  return text
    .trimEnd()
    .replace(/\b(ps_[\w-]{4})[\w-]{28}/g, '$1…')
    .replace(/\b(demo-)[\w-]{16}/g, '$1…');
}
