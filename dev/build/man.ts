import type { Command } from 'commander';
import { createProgram } from '../../cli/program.ts';

/** Pages for man(1), from the help of the command line: `postern.1`, and one for each command. */
export function manPages(version: string, date: string): ReadonlyMap<string, string> {
  const program = createProgram({});
  const pages = program.commands.filter((command) => command.name() !== 'help');
  const all = [program, ...pages];
  const names = ['postern', ...pages.map((command) => `postern-${command.name()}`)];
  const titled = `"${date}" "Postern ${version}"`;
  return new Map(
    names.map((name, i) => [`${name}.1`, page(all[i] ?? program, name, titled, names)] as const),
  );
}

/** `titled` has the date and the version. */
function page(command: Command, name: string, titled: string, seeAlso: readonly string[]): string {
  const others = seeAlso.filter((other) => other !== name);
  const lines = [
    `.TH ${name.toUpperCase()} 1 ${titled} "User Commands"`,
    '.SH NAME',
    `${roff(name)} \\- ${roff(command.description())}`,
    '.SH SYNOPSIS',
    `.B ${roff(usage(command))}`,
    ...options(command),
    ...commands(command),
    ...notes(command),
    '.SH SEE ALSO',
    others.map((other) => `.BR ${roff(other)} (1)`).join(' ,\n'),
    // Debian puts the documentation there.
    '.PP',
    roff('/usr/share/doc/postern/docs/reference/cli.md'),
  ];
  return `${lines.join('\n')}\n`;
}

function usage(command: Command): string {
  const words = [command.name()];
  for (let parent = command.parent; parent; parent = parent.parent) words.unshift(parent.name());
  return `${words.join(' ')} ${command.usage()}`;
}

/** The options of a command, with the descriptions of its arguments. */
function options(command: Command): string[] {
  const help = command.createHelp();
  const entries = [
    ...help.visibleArguments(command).map((one) => {
      return [help.argumentTerm(one), help.argumentDescription(one)] as const;
    }),
    ...help.visibleOptions(command).map((one) => {
      return [help.optionTerm(one), help.optionDescription(one)] as const;
    }),
  ];
  const items = entries.flatMap(([term, text]) => ['.TP', `.B ${roff(term)}`, roff(text)]);
  return ['.SH OPTIONS', ...items];
}

/** Subcommands of `postern` have their own pages. Others are described here, with their options. */
function commands(command: Command): string[] {
  const visible = command.commands.filter((one) => one.name() !== 'help');
  if (visible.length === 0) return [];
  const isProgram = command.parent === null;
  const items = visible.flatMap((one) => [
    '.SS',
    `.B ${roff(usage(one))}`,
    '.PP',
    roff(one.description()),
    ...(isProgram ? [] : [...options(one).slice(1), ...notes(one).slice(1)]),
  ]);
  return ['.SH COMMANDS', ...items];
}

/** What the help prints after the options: explanations and examples. */
function notes(command: Command): string[] {
  let printed = '';
  const writeOut = (text: string) => {
    printed += text;
  };
  command.configureOutput({ writeOut }).outputHelp();
  const text = printed.slice(command.helpInformation().length).trim();
  return text === '' ? [] : ['.SH NOTES', '.nf', ...text.split('\n').map(roff), '.fi'];
}

/** Text of a page: a hyphen is U+2010 unless it is escaped, and a dot at the start is a request. */
function roff(text: string): string {
  return text
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/^([.'])/, '\\&$1');
}
