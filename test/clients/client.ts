import { onTestFinished, type TestContext } from 'vitest';
import { temporaryFolder } from '../harness/paths.ts';
import { type Exit, launch, type Running } from '../harness/process.ts';
import type { ToolName } from '../harness/tools.ts';
import { needTool } from '../support/need-tool.ts';

export interface Ended extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** The real program, not a double. */
export interface Client {
  /** Ends with the test at the latest. */
  start(args: readonly string[], pipes?: number): Promise<Running>;
  /** The same, and waits for its end. */
  run(args: readonly string[]): Promise<Ended>;
}

/** Skips the test if the client is not available. */
export async function client(name: ToolName, context: TestContext): Promise<Client> {
  const tool = await needTool(name, context);

  async function start(args: readonly string[], pipes = 0): Promise<Running> {
    const folder = await temporaryFolder();
    const running = await launch({
      name,
      path: tool.path,
      args: [...args],
      // Without the user's settings: a proxy or a .wgetrc would change the client.
      env: { PATH: process.env.PATH, HOME: folder, TMPDIR: folder, LC_ALL: 'C.UTF-8', ...tool.env },
      cwd: folder,
      folder,
      pipes,
    });
    onTestFinished(async () => void (await running.stop()));
    return running;
  }

  return {
    start,
    async run(args) {
      const running = await start(args);
      const exit = await running.exited;
      return { ...exit, stdout: running.stdout(), stderr: running.stderr() };
    },
  };
}
