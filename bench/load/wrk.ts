import { join } from 'node:path';
import { projectRoot } from '../../test/harness/paths.ts';
import { tryRun } from '../../test/harness/run.ts';
import { findTool } from '../../test/harness/tools.ts';

export interface Load {
  readonly requests: number;
  readonly perSecond: number;
}

export interface Wrk {
  readonly connections: number;
  /** An integer: wrk accepts no fractions. */
  readonly seconds: number;
  /** A script in this folder, with its arguments. */
  readonly script?: readonly [name: string, ...args: string[]];
}

/** Sends requests as fast as possible on all connections. Rejects if any response is an error. */
export async function wrk(url: string, { connections, seconds, script }: Wrk): Promise<Load> {
  const tool = await findTool('wrk');
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s'];
  if (script === undefined) args.push(url);
  else {
    const [name, ...more] = script;
    args.push('-s', join(projectRoot, 'bench', 'load', name), url, '--', ...more);
  }
  const { ok, output } = await tryRun(tool.path, args, tool.env);
  if (!ok) throw new Error(`wrk failed:\n${output}`);
  return parseWrk(output);
}

/** Counts errors instead of rejecting. `fresh`: a new connection for each request. */
export async function countWrk(
  url: string,
  { connections, seconds, fresh }: Omit<Wrk, 'script'> & { readonly fresh: boolean },
) {
  const tool = await findTool('wrk');
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '20s', '--latency'];
  if (fresh) args.push('--header', 'Connection: close');
  const { output } = await tryRun(tool.path, [...args, url], tool.env);
  const denied = Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0);
  const [, broken = ''] = /Socket errors: (.*)/.exec(output) ?? [];
  const errors = (broken.match(/\d+/g) ?? []).reduce((sum, count) => sum + Number(count), 0);
  const [, slowest = ''] = /Latency\s+\S+\s+\S+\s+(\S+)/.exec(output) ?? [];
  return {
    requests: Number(/(\d+) requests in /.exec(output)?.[1]),
    // nginx closes the connection after a 503, which wrk counts again.
    failed: Math.max(denied, errors),
    slowest,
  };
}

export function parseWrk(output: string): Load {
  const failure = /Non-2xx or 3xx responses.*|Socket errors.*/.exec(output)?.[0];
  if (failure) throw new Error(`the load test failed: ${failure}`);
  const number = (pattern: RegExp) => {
    const found = pattern.exec(output);
    if (!found) throw new Error(`unexpected output of wrk:\n${output}`);
    return Number(found[1]);
  };
  return {
    requests: number(/(\d+) requests in /),
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
  };
}
