import { get, type IncomingMessage } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { cpuSeconds, peakBytes, residentBytes } from '../../../bench/processes.ts';
import { startS3 } from '../../../dev/s3.ts';
import { canMeasureCpu } from '../../support/cpu.ts';
import { startBuiltSite } from './built-site.ts';
import { START_MS } from './storage-site.ts';

const MIB = 1024 * 1024;
const SIZE = 8 * MIB;
const DOWNLOADS = 100;

test.runIf(canMeasureCpu)(
  '100 slow downloads at once take only the buffers of nginx, and no CPU of Postern for their bytes',
  async () => {
    const s3 = await startS3({ 'my-media': { 'big.bin': Buffer.alloc(SIZE, 7) } });
    onTestFinished(s3.stop);
    const { nginx, service, issue, stop } = await startBuiltSite({
      storage: { endpoint: s3.endpoint },
    });
    onTestFinished(stop);
    const path = await issue('--path', '/media/big.bin');
    const url = nginx.url(path);
    // As in a service that runs: V8 compiles the code of the first requests.
    const asks = { headers: { 'X-Original-URI': path, 'X-Original-Method': 'GET' } };
    const gate = `http://127.0.0.1:${service.gatePort}/auth-request`;
    for (let i = 0; i < 2000; i += 1) expect((await fetch(gate, asks)).status).toBe(204);
    const begin = () =>
      new Promise<IncomingMessage>((resolve, reject) => {
        get(url, { agent: false }, resolve).on('error', reject);
      });
    const before = { memory: residentBytes(nginx.pid), cpu: cpuSeconds(service.pid) };
    const responses: IncomingMessage[] = [];
    // Each waits for its headers, and then reads nothing.
    for (let i = 0; i < DOWNLOADS; i += 1) responses.push(await begin());
    expect(new Set(responses.map(({ statusCode }) => statusCode))).toEqual(new Set([200]));
    const lengths = await Promise.all(
      responses.map(async (response) => {
        let length = 0;
        for await (const chunk of response) length += chunk.length;
        return length;
      }),
    );
    expect(new Set(lengths)).toEqual(new Set([SIZE]));
    const memory = peakBytes(nginx.pid) - before.memory;
    const cpu = cpuSeconds(service.pid) - before.cpu;
    console.info(
      `100 downloads of ${SIZE / MIB} MiB: nginx +${Math.round(memory / MIB)} MiB, ` +
        `Postern ${((cpu * 1e8) / (DOWNLOADS * SIZE)).toFixed(4)} s of CPU for each 100 MB`,
    );
    // 16k and eight buffers of 32k for each. Whole objects would be 800 MiB.
    expect(memory).toBeLessThan(DOWNLOADS * 400 * 1024);
    // 1 % of a core-second for each 100 MB.
    expect(cpu).toBeLessThan((0.01 * DOWNLOADS * SIZE) / 1e8);
  },
  START_MS,
);
