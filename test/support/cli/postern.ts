import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { vi } from 'vitest';
import { run } from '../../../cli/program.ts';
import { projectRoot } from '../../harness/paths.ts';

/** The built command line, as package.json's `bin` names it. */
export const program = join(projectRoot, 'dist', 'cli', 'postern.js');

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface With {
  /** Beside PATH. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Buffer;
}

/** A command that takes longer hangs, even on a busy machine: it is less than the limit of a test. */
const MAX_MS = 200_000;

/** Runs `postern` with these arguments, in a folder. */
export function postern(words: readonly string[], cwd: string, more: With = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env.PATH, ...more.env };
    const options = { cwd, env, timeout: MAX_MS, maxBuffer: 1e8 };
    const child = execFile(process.execPath, [program, ...words], options, (error, out, err) => {
      if (error?.killed) {
        // The command can handle the signal, and end with a code of its own.
        const what = `postern ${words.join(' ')} did not end in ${MAX_MS / 1000} s`;
        return reject(new Error(`${what}. Instead:\n${out}${err}`));
      }
      const code = error === null ? 0 : error.code;
      if (typeof code === 'number') resolve({ code, stdout: out, stderr: err });
      else reject(error);
    });
    // The command may have ended before it read everything.
    child.stdin?.on('error', () => {});
    child.stdin?.end(more.stdin ?? '');
  });
}

let last: Promise<unknown> = Promise.resolve();

/** The same in this process, one command after the other, which takes a tenth of the time. */
export function posternHere(words: readonly string[], cwd: string, more?: With): Promise<Ended> {
  const ended = last.then(() => runHere(words, cwd, more));
  last = ended.catch(() => {});
  return ended;
}

async function runHere(words: readonly string[], cwd: string, { env, stdin = '' }: With = {}) {
  const output = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text, done?: unknown) => {
      output[name] += text;
      if (typeof done === 'function') done();
      return true;
    }),
  );
  const input = Readable.from([Buffer.from(stdin)], { objectMode: false });
  const from = vi.spyOn(process, 'stdin', 'get').mockReturnValue(input as typeof process.stdin);
  const before = process.cwd();
  try {
    process.chdir(cwd);
    process.exitCode = 0;
    await run(words, { PATH: process.env.PATH, ...env });
    return { code: process.exitCode, ...output };
  } finally {
    process.exitCode = undefined;
    process.chdir(before);
    for (const spy of [...spies, from]) spy.mockRestore();
  }
}
