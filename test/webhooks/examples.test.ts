import { readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findOnPath } from '../../dev/find-on-path.ts';
import { projectRoot, temporaryFolder } from '../../dev/paths.ts';
import { onFreePorts } from '../../dev/ports.ts';
import { launch } from '../../dev/process.ts';
import { waitFor } from '../../dev/wait.ts';
import { fencedBlocks } from '../docs/blocks.ts';
import { OTHER_SECRET, SECRET } from '../events/receiver.ts';
import { startInstance } from './instances.ts';

// Runs the receivers of docs/webhooks.md.
const page = await readFile(join(projectRoot, 'docs/webhooks.md'), 'utf8');

const programs = [
  ['js', 'receiver.mjs', process.execPath],
  ['python', 'receiver.py', findOnPath('python3') ?? '/usr/bin/python3'],
] as const;

test.each(programs)(
  'docs/webhooks.md: the receiver in %s accepts events of Postern, and no others',
  async (language, name, path) => {
    const blocks = fencedBlocks(page).filter((block) => block.language === language);
    expect(blocks).toHaveLength(1);
    const folder = await temporaryFolder();
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, name), blocks[0]?.text ?? '');
    await symlink(join(projectRoot, 'node_modules'), join(folder, 'node_modules'));
    async function start(secret: string) {
      return onFreePorts(1, async ([port = 0]) => {
        const env = { PATH: process.env.PATH, PORT: String(port), WEBHOOK_SECRET: secret };
        const running = await launch({ name, path, args: [name], env, cwd: folder });
        onTestFinished(async () => void (await running.stop()));
        const url = `http://127.0.0.1:${port}/`;
        const headers = {
          'webhook-id': 'a',
          'webhook-timestamp': '1',
          'webhook-signature': 'v1,a',
        };
        const forged = () =>
          fetch(url, { method: 'POST', body: '{}', headers }).then(
            ({ status }) => status === 401,
            () => false,
          );
        await running.ready(forged, { what: 'the receiver to reject a forged event' });
        return { url, running };
      });
    }
    const { url, running } = await start(SECRET);
    const service = await startInstance(url, { POSTERN_STORE: 'memory:' });
    const { id } = await service.issue();
    await waitFor(() => running.stdout().includes(`token.issued ${id}`), { what: 'the event' });

    const { url: other } = await start(OTHER_SECRET);
    const rejected = await startInstance(other, { POSTERN_STORE: 'memory:' });
    await rejected.issue();
    await waitFor(() => rejected.stdout().includes('status 401'), { what: 'the rejection' });
  },
);
