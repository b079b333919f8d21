import { once } from 'node:events';
import { symlink, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { basename, join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { expect, onTestFinished, test } from 'vitest';
import { findOnPath } from '../../harness/find-on-path.ts';
import { projectRoot, textOf } from '../../harness/paths.ts';
import { onFreePorts } from '../../harness/ports.ts';
import { launch } from '../../harness/process.ts';
import { folderForTest, forTest } from '../../support/for-test.ts';
import { OTHER_SECRET, SECRET, startInstance } from '../../support/receiver.ts';

// Runs the receivers of integrations/examples/.
const example = (name: string) => textOf(`integrations/examples/${name}`);

const FORGED = { 'webhook-id': 'a', 'webhook-timestamp': '1', 'webhook-signature': 'v1,a' };

async function opened(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

const programs = [
  ['node/webhook_receiver.mjs', process.execPath],
  ['python/webhook_receiver.py', findOnPath('python3') ?? '/usr/bin/python3'],
] as const;

test.each(programs)(
  'integrations/examples/%s accepts events of Postern once, and no requests of others',
  async (file, path) => {
    const folder = await folderForTest();
    const name = basename(file);
    await writeFile(join(folder, name), await example(file));
    await symlink(join(projectRoot, 'node_modules'), join(folder, 'node_modules'));
    async function start(secret: string) {
      return onFreePorts(1, async ([port = 0]) => {
        const env = { PATH: process.env.PATH, PORT: String(port), WEBHOOK_SECRET: secret };
        const running = await forTest(launch({ name, path, args: [name], env, cwd: folder }));
        const url = `http://127.0.0.1:${port}/`;
        const post = async (headers: Record<string, string> = {}, body = '{}') =>
          (await fetch(url, { method: 'POST', body, headers })).status;
        const forged = async () => (await post(FORGED).catch(() => 0)) === 401;
        await running.ready(forged, { what: 'the receiver to reject a forged event' });
        return { url, port, running, post };
      });
    }
    const { url, port, running, post } = await start(SECRET);
    // It sends nothing.
    await opened(port);
    const aborted = await opened(port);
    aborted.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc');
    aborted.end();
    aborted.resume();
    await once(aborted, 'close');
    expect(await post()).toBe(401);
    expect(await post({ ...FORGED, 'webhook-signature': 'v1,\u00e9' })).toBe(401);

    const body = JSON.stringify({ type: 'token.twice', data: { token_id: 'a' } });
    const sent = new Date();
    const headers = {
      'webhook-id': 'msg_a',
      'webhook-timestamp': String(Math.floor(sent.getTime() / 1000)),
      'webhook-signature': new Webhook(SECRET).sign('msg_a', sent, body),
    };
    expect([await post(headers, body), await post(headers, body)]).toEqual([204, 204]);

    const service = await startInstance(url, { POSTERN_STORE: 'memory:' });
    const { id } = await service.issue();
    await expect.poll(() => running.stdout()).toContain(`token.issued ${id}`);
    expect(running.stdout().match(/token\.twice a/g)).toHaveLength(1);

    const { url: other } = await start(OTHER_SECRET);
    const rejected = await startInstance(other, { POSTERN_STORE: 'memory:' });
    await rejected.issue();
    await expect.poll(() => rejected.stdout()).toContain('status 401');
  },
);
