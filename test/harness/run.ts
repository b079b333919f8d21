import { execFile } from 'node:child_process';

export interface Ran {
  ok: boolean;
  /** stdout and stderr, in English. */
  output: string;
}

/** Runs a program until it exits. Rejects only if the program does not exist. */
export function tryRun(program: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const options = {
    env: { ...process.env, ...env, LC_ALL: 'C' },
    maxBuffer: 64 * 1024 * 1024,
  };
  return new Promise((resolve, reject) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(error);
      else resolve({ ok: !error, output: `${stdout}${stderr}` });
    });
  });
}

/** Like tryRun, but rejects with the output if the program fails. */
export async function run(program: string, args: string[]): Promise<void> {
  const { ok, output } = await tryRun(program, args);
  if (!ok) throw new Error(output.trim());
}
