import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../../service/config/environment.ts';
import { type Http, httpOf } from '../doctor/config/context.ts';
import { diskFiles, dumpedFiles, load, type Sources } from '../doctor/config/load.ts';
import { Failure } from '../errors.ts';
import { escapeControls } from '../terminal.ts';

/** The nginx whose configuration is in the folder of `--out`. */
export interface Nginx {
  /** Absent: nginx is not installed here, so nothing can be tested. */
  readonly version?: readonly number[];
  /**
   * Reads the whole configuration, and tests it.
   *
   * @throws Failure, with this headline and the message of nginx
   */
  read(headline: string): Promise<Existing>;
}

/** A configuration as nginx reads it. */
export interface Existing {
  readonly http: Http;
  readonly files: readonly string[];
}

/** Undefined: the folder has no nginx.conf, for example because its files are for another machine. */
export async function findNginx(folder: string, env: Environment): Promise<Nginx | undefined> {
  const main = join(folder, 'nginx.conf');
  if (!existsSync(main)) return undefined;
  const program = (...args: string[]) => run(args, env);
  const about = await program('-v');
  if (about === undefined) {
    return {
      read: async (headline) => parsed(diskFiles(main, readFileSync(main, 'utf8')), headline),
    };
  }
  const [, numbers = '0'] = /nginx\/([\d.]+)/.exec(about.stderr) ?? [];
  return {
    version: numbers.split('.').map(Number),
    async read(headline) {
      const { ok = false, stdout = '', stderr = '' } = (await program('-T', '-c', main)) ?? {};
      const sources = ok ? dumpedFiles(stdout) : undefined;
      if (sources === undefined) throw new Failure(`${headline}\n${messages(stderr)}`);
      return parsed(sources, headline);
    },
  };
}

function parsed(sources: Sources, headline: string): Existing {
  try {
    const { root, files } = load(sources);
    return { http: httpOf(root, sources.main), files };
  } catch (error) {
    throw new Failure(`${headline}\n${escapeControls((error as Error).message)}`, { cause: error });
  }
}

function messages(stderr: string): string {
  return stderr.trim().split('\n').map(escapeControls).join('\n');
}

interface Ended {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

const MAX_OUTPUT_BYTES = 256 << 20;

/** Undefined: there is no nginx. It is often not on the PATH of a user. */
function run(args: readonly string[], env: Environment): Promise<Ended | undefined> {
  const options = {
    env: { ...env, PATH: `${env.PATH ?? ''}:/usr/local/sbin:/usr/sbin` },
    maxBuffer: MAX_OUTPUT_BYTES,
  };
  return new Promise((resolve) => {
    execFile('nginx', args, options, (error, stdout, stderr) => {
      const isMissing = error?.code === 'ENOENT';
      resolve(isMissing ? undefined : { ok: error === null, stdout, stderr });
    });
  });
}

export function isAtLeast(version: readonly number[] | undefined, wanted: readonly number[]) {
  if (version === undefined) return false;
  const at = wanted.findIndex((number, i) => number !== (version[i] ?? 0));
  return at < 0 || (version[at] ?? 0) > (wanted[at] ?? 0);
}
