import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot, temporaryFolder } from './paths.ts';
import { onFreePorts } from './ports.ts';
import { launch } from './process.ts';
import { findTool } from './tools.ts';

export const S3_REGION = 'eu-central-1';
/** Its form is that of Swift's users. */
export const S3_ACCESS_KEY = 'postern:reader';
export const S3_SECRET_KEY = 'Qz-the-secret-of-the-storage-Zq';

/** The content of objects by bucket and key. */
export type Buckets = Readonly<Record<string, Readonly<Record<string, string | Buffer>>>>;

export interface S3 {
  readonly port: number;
  /** `http://127.0.0.1:<port>`. */
  readonly endpoint: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts a real S3 server that verifies signatures: OpenStack Swift, in one process. */
export async function startS3(buckets: Buckets): Promise<S3> {
  const python = await findTool('python3-swift');
  return onFreePorts(1, async ([port = 0]) => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'objects.json'), JSON.stringify(await seed(folder, buckets)));
    const server = await launch({
      name: 'swift',
      path: python.path,
      args: [join(projectRoot, 'test/harness/s3/server.py'), folder, String(port)],
      env: {
        ...process.env,
        ...python.env,
        PYTHONDONTWRITEBYTECODE: '1',
        S3_REGION,
        S3_ACCESS_KEY,
        S3_SECRET_KEY,
      },
      folder,
    });
    await server.ready(() => server.stdout().includes('ready'), { what: 'Swift to answer' });
    return {
      port,
      endpoint: `http://127.0.0.1:${port}`,
      pid: server.pid,
      stop: async () => void (await server.stop()),
    };
  });
}

/** Writes each content to a file, because a key can be longer than a file name. */
async function seed(folder: string, buckets: Buckets) {
  const contents = join(folder, 'contents');
  await mkdir(contents);
  let count = 0;
  const seeded: Record<string, Record<string, string>> = {};
  for (const [bucket, objects] of Object.entries(buckets)) {
    const files: Record<string, string> = {};
    for (const [key, content] of Object.entries(objects)) {
      const file = join(contents, String(count));
      count += 1;
      await writeFile(file, content);
      files[key] = file;
    }
    seeded[bucket] = files;
  }
  return seeded;
}
