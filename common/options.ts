import type { Command } from 'commander';

export function example(line: string): string {
  return `\nExample:\n  ${line}`;
}

export interface ApiOptions {
  readonly api?: string | undefined;
  readonly keyFile?: string | undefined;
}

export function addApiOptions(command: Command): Command {
  return command
    .option('--api <url>', 'URL of the API (default: POSTERN_API, or http://127.0.0.1:7301)')
    .option('--key-file <file>', 'a file that contains the API key (default: POSTERN_API_KEY)');
}

/** The option of an attribute: `--max-uses` for `maxUses`. */
export function flagOf(attribute: string): string {
  return `--${attribute.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
