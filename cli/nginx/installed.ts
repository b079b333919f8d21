import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../common/errors.ts';
import { escapeControls } from '../../common/terminal.ts';
import { Http } from '../../doctor/config/context.ts';
import { diskFiles, dumpedFiles, load, type Sources } from '../../doctor/config/load.ts';
import { nginxOf } from '../../doctor/config/proof/nginx.ts';
import { versionIn } from '../../doctor/config/version.ts';

const MAX_OUTPUT_BYTES = 256 << 20;

export type Nginx = NonNullable<ReturnType<typeof findNginx>>;

/** A configuration as nginx reads it. */
export type Existing = ReturnType<Nginx['read']>;

/**
 * The nginx whose configuration is in the folder of `--out`. Undefined: the folder has no nginx.conf, for
 * example because its files are for another machine.
 */
export function findNginx(folder: string, env: NodeJS.ProcessEnv) {
  const main = join(folder, 'nginx.conf');
  if (!existsSync(main)) return undefined;
  const program = nginxOf('', env);
  const run = (...args: string[]) =>
    spawnSync(program?.path ?? '', args, { env, maxBuffer: MAX_OUTPUT_BYTES, encoding: 'utf8' });
  const version = program && versionIn(run('-V').stderr ?? '')?.numbers;
  let earlier = '';
  function sources(names: readonly string[]): Sources {
    if (version === undefined) return diskFiles(main, readFileSync(main, 'utf8'));
    const { status, stdout, stderr } = run('-T', '-c', main);
    // nginx only warns, and ignores the name in the second block.
    const conflicts = names.map((name) => `conflicting server name "${name}"`);
    const isTaken = conflicts.some((text) => stderr.includes(text) && !earlier.includes(text));
    earlier = stderr;
    const dumped = status === 0 && !isTaken ? dumpedFiles(stdout) : undefined;
    if (dumped === undefined) throw new Error(stderr.trim());
    return dumped;
  }
  return {
    /** Undefined: nginx is not installed here, so nothing can be tested. */
    version,
    /**
     * Reads and tests the whole configuration. Fails also if, since the last call, two server blocks have one of the names.
     * @throws Failure, with this headline and nginx's message
     */
    read(headline: string, names: readonly string[] = []) {
      try {
        const { root, files } = load(sources(names));
        return { http: new Http(root, main), files };
      } catch (error) {
        const lines = [headline, ...(error as Error).message.split('\n')];
        throw new Failure(lines.map(escapeControls).join('\n'), { cause: error });
      }
    },
  };
}
