import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from '../../dev/paths.ts';

/** The built command line, as package.json's `bin` names it. */
export const program = join(projectRoot, 'dist', 'service', 'cli', 'postern.js');

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `postern` with these words, in a folder. */
export function postern(words: readonly string[], cwd: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const options = { cwd, env: { PATH: process.env.PATH }, timeout: 10_000 };
    execFile(process.execPath, [program, ...words], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === 'number') resolve({ code, stdout, stderr });
      else reject(error);
    });
  });
}
