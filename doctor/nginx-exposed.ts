#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { Failure, UsageError } from '../common/errors.ts';
import { version } from '../common/package.ts';
import { print } from '../common/terminal.ts';
import { diagnoseConfig } from './config/diagnose.ts';

// The program of the package nginx-exposed, which has its own package.json here: the doctor for any nginx.

const HELP = `Usage: nginx -VT 2>&1 | nginx-exposed [options] <folder>...

Finds the URLs with which this nginx sends files of these folders to anybody.

Options:
  --config <file>  read this file, the output of nginx -VT or an nginx.conf, instead of standard input
  --json           print JSON
  --version        print the version
  --help           print this text

Exit status: 0 nothing found, 1 something found, 2 usage error, or the input is not a configuration.
`;

async function run(words: readonly string[]): Promise<number> {
  const { values, positionals: folders } = parsed(words);
  const { help, version: isVersion, config = '-', json } = values;
  if (help || isVersion) {
    await print(help ? HELP : `${version()}\n`);
    return 0;
  }
  if (folders.length === 0 || folders.some((folder) => !folder.startsWith('/'))) {
    throw new UsageError('expected absolute paths of folders, such as /srv/files; see --help');
  }
  if (config === '-' && process.stdin.isTTY) {
    throw new UsageError(
      'expected the output of nginx -VT: nginx -VT 2>&1 | nginx-exposed /srv/files',
    );
  }
  const { ok, text } = await diagnoseConfig(config, { env: process.env, protect: folders, json });
  await print(text);
  return ok ? 0 : 1;
}

function parsed(words: readonly string[]) {
  const options = {
    config: { type: 'string' },
    json: { type: 'boolean' },
    version: { type: 'boolean' },
    help: { type: 'boolean' },
  } as const;
  try {
    return parseArgs({ args: [...words], allowPositionals: true, options });
  } catch (error) {
    throw new UsageError((error as TypeError).message, { cause: error });
  }
}

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  process.stderr.write(`nginx-exposed: ${error.message}\n`);
  process.exitCode = 2;
}
