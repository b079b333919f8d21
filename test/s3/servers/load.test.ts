import { writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Config, startNginx } from '../../harness/nginx.ts';
import { cpuSeconds, peakBytes, residentBytes } from '../../harness/usage.ts';
import { canMeasureCpu } from '../../support/cpu.ts';
import { forTest } from '../../support/for-test.ts';
import { START_MS, startBuiltSite } from '../../support/storage-sites.ts';

const MIB = 1024 * 1024;
const SIZE = 32 * MIB;
const DOWNLOADS = 100;
const WARM_UP = 1000;

/** A storage that is faster than Swift and its clients: nginx. It ignores the signature. */
async function startFastStorage() {
  const config: Config = ({ port, dir }) => {
    writeFileSync(join(dir, 'big.bin'), Buffer.alloc(SIZE, 7));
    return `server { listen 127.0.0.1:${port}; location /my-media/ { alias ${dir}/; } }`;
  };
  const nginx = await forTest(startNginx({ config }));
  return nginx.url('').replace(/\/$/, '');
}

test.runIf(canMeasureCpu).each([
  ['auth_request', []],
  ['X-Accel', ['--x-accel']],
])(
  '100 slow downloads by %s take buffers of nginx, not CPU of Postern',
  async (mode, words) => {
    const storage = { endpoint: await startFastStorage() };
    const env = { POSTERN_LOG_LEVEL: 'debug' };
    const { nginx, service, issue } = await forTest(startBuiltSite({ storage, words, env }));
    const path = await issue('--path', '/media/big.bin');
    // V8 compiles the code of the first requests.
    const asks = { headers: { 'X-Original-URI': path, 'X-Original-Method': 'GET' } };
    const gate = `http://127.0.0.1:${service.gatePort}/auth-request`;
    for (let i = 0; i < WARM_UP; i += 1) expect((await fetch(gate, asks)).status).toBe(204);

    const begin = () =>
      new Promise<IncomingMessage>((resolve, reject) => {
        get(nginx.url(path), { agent: false }, resolve).on('error', reject);
      });
    const before = { memory: residentBytes(nginx.pid), cpu: cpuSeconds(service.pid) };
    // Nothing is read before each has its headers.
    const responses = await Promise.all(Array.from({ length: DOWNLOADS }, begin));
    expect(new Set(responses.map(({ statusCode }) => statusCode))).toEqual(new Set([200]));
    // From here on, Postern is idle. An idle process uses 0.2 % of a core, for as long as clients need.
    const cpu = cpuSeconds(service.pid) - before.cpu;
    const lengths = await Promise.all(
      responses.map(async (response) => {
        let length = 0;
        for await (const chunk of response) length += chunk.length;
        return length;
      }),
    );
    expect(new Set(lengths)).toEqual(new Set([SIZE]));
    const memory = peakBytes(nginx.pid) - before.memory;
    // One more line is of the token that was issued.
    const decisions = () => service.stdout().split('/media/big.bin').length - 2;
    await expect.poll(decisions).toBe(WARM_UP + DOWNLOADS);
    console.info(
      `${mode}, 100 downloads of ${SIZE / MIB} MiB: nginx +${Math.round(memory / MIB)} MiB, ` +
        `Postern ${((cpu * 1e8) / (DOWNLOADS * SIZE)).toFixed(4)} s of CPU for each 100 MB`,
    );
    // 16k and eight buffers of 32k for each. Whole objects would be 3200 MiB.
    expect(memory).toBeLessThan(DOWNLOADS * 400 * 1024);
    // 1 % of a core-second for each 100 MB.
    expect(cpu).toBeLessThan((0.01 * DOWNLOADS * SIZE) / 1e8);
  },
  START_MS,
);
