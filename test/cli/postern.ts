import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from '../harness/paths.ts';

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

/** Runs `postern` with these arguments, in a folder. */
export function postern(words: readonly string[], cwd: string, more: With = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env.PATH, ...more.env };
    const options = { cwd, env, timeout: 60_000, maxBuffer: 1e8 };
    const child = execFile(process.execPath, [program, ...words], options, (error, out, err) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === 'number') resolve({ code, stdout: out, stderr: err });
      else reject(error);
    });
    // The command may have ended before it read everything.
    child.stdin?.on('error', () => {});
    child.stdin?.end(more.stdin ?? '');
  });
}
