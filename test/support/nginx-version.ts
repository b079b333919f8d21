import { isBefore, versionIn } from '../../doctor/config/version.ts';
import { tryRun } from '../harness/run.ts';
import { findTool } from '../harness/tools.ts';

/** Whether the nginx of the tests is older. */
export async function isNginxBefore(...numbers: number[]): Promise<boolean> {
  const { path, env } = await findTool('nginx');
  const { output } = await tryRun(path, ['-V'], env);
  const version = versionIn(output);
  if (version === undefined) throw new Error(`no version: ${output}`);
  return isBefore(version.numbers, numbers);
}

/** Before 1.25.1, only `listen … http2` turns it on, and HTTP/1 off. */
export const hasHttp2 = !(await isNginxBefore(1, 25, 1));
