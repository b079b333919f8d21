import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { guard } from './guard.ts';
import { programs, type WaitOptions, waitFor } from './wait.ts';

const GRACE_MS = 5_000;

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A server that exited before it was ready, with its exit code and output. */
export class ExitedEarly extends Error {
  readonly exit: Exit;
  readonly stderr: string;

  constructor(name: string, exit: Exit, stderr: string, stdout = '') {
    const how = exit.signal ? `by ${exit.signal}` : `with code ${exit.code}`;
    super(`${name} exited ${how} before it was ready:\n${(stderr || stdout).trim()}`);
    this.exit = exit;
    this.stderr = stderr;
  }
}

export interface Command {
  /** The name for error messages. */
  name: string;
  path: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  cwd?: string;
  /** A temporary folder, removed after the process has stopped. */
  folder?: string;
  /** `pipe` keeps the output, for error messages and tests. */
  stdio?: 'pipe' | 'inherit' | 'ignore';
  /** The number of further pipes, from descriptor 3 on. */
  pipes?: number;
}

export interface Running {
  readonly pid: number;
  readonly pipes: readonly Duplex[];
  /** Resolves when the process has ended, for any reason. */
  readonly exited: Promise<Exit>;
  stdout(): string;
  stderr(): string;
  signal(signal: NodeJS.Signals): void;
  /** Waits for the condition. Rejects immediately with the output if the process ends. */
  ready<T>(condition: () => T | Promise<T>, wait: WaitOptions): Promise<void>;
  /** SIGTERM, and SIGKILL after five seconds. Resolves when the process has ended. */
  stop(): Promise<Exit>;
}

/** Starts a program that ends with this process at the latest. */
export async function launch(command: Command): Promise<Running> {
  const { name, path, args, env, cwd, folder, stdio = 'pipe', pipes = 0 } = command;
  // A separate process group: the workers of a crashed nginx master are killed too, and after Ctrl-C
  // in a terminal the interrupted script decides the order in which programs stop.
  const child = spawn(path, args, {
    env,
    ...(cwd && { cwd }),
    stdio: ['ignore', stdio, stdio, ...Array<'pipe'>(pipes).fill('pipe')],
    detached: true,
  });
  await once(child, 'spawn');
  const pid = child.pid as number;
  const dismissGuard = guard(pid, folder);
  const output = { stdout: collect(child, 'stdout'), stderr: collect(child, 'stderr') };

  let exit: Exit | undefined;
  const state = () =>
    `${name} (${exit ? JSON.stringify(exit) : 'running'}) printed: ${output.stderr() || output.stdout()}`;
  programs.add(state);
  const exited = new Promise<Exit>((resolve) => {
    child.on('exit', () => {
      killGroup(pid);
      dismissGuard();
    });
    // 'close' comes after 'exit': all output has been read.
    child.on('close', (code, signal) => {
      exit = { code, signal };
      resolve(exit);
    });
  });

  async function stop(): Promise<Exit> {
    child.kill('SIGTERM');
    child.kill('SIGCONT'); // a paused process does not see SIGTERM
    const timer = setTimeout(killGroup, GRACE_MS, pid);
    const ended = await exited;
    clearTimeout(timer);
    programs.delete(state);
    if (folder) await rm(folder, { recursive: true, force: true });
    return ended;
  }

  async function ready<T>(condition: () => T | Promise<T>, wait: WaitOptions): Promise<void> {
    try {
      await waitFor(
        () => {
          if (exit) throw new ExitedEarly(name, exit, output.stderr(), output.stdout());
          return condition();
        },
        { saw: () => output.stderr() || output.stdout(), ...wait },
      );
    } catch (error) {
      await stop();
      throw error;
    }
  }

  return {
    pid,
    pipes: child.stdio.slice(3) as Duplex[],
    exited,
    ...output,
    signal: (signal) => child.kill(signal),
    ready,
    stop,
  };
}

function collect(child: ChildProcess, name: 'stdout' | 'stderr'): () => string {
  let text = '';
  child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended.
  }
}
