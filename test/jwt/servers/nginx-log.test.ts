import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { keptLog } from '../../api/ask-api.ts';
import { startGate } from '../../gate/ask-gate.ts';
import { mount } from '../../support/postern.ts';
import { createSigned, signedGate } from '../signed.ts';

test('log: a path of many beginnings of JWTs costs little CPU time', async () => {
  const { log } = keptLog();
  const { authRequest } = await signedGate({ log });
  const cpuOf = async (uri: string) => {
    const before = process.cpuUsage();
    for (let i = 0; i < 50; i += 1) await authRequest(uri);
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  const plain = `/download/${'ab'.repeat(1019)}`;
  await cpuOf(plain);
  const usual = await cpuOf(plain);
  expect(await cpuOf(`/download/${'ey'.repeat(1019)}`)).toBeLessThan(5 * usual);
});

test('snippets: a response with a JWT in a cookie fits the buffers', async () => {
  const media = { ...mount('/download/', '/protected/'), passArguments: ['a'] };
  const { store, clock, jwt, ask } = await createSigned({ mounts: [media] });
  const gate = await startGate({ mounts: [media], store, now: () => clock.now, jwt });
  const prefix = `/download/${'x'.repeat(500)}/`;
  const most = { subject: '漢'.repeat(256), filename: '漢'.repeat(255), resume_for: 60 };
  const json = { prefix, format: 'jwt', cookie: true, ...most };
  const { body } = await ask('POST /tokens', { json });
  expect(body.access_token.length).toBeLessThan(4000);
  const name = encodeURIComponent('漢'.repeat(500));
  const uri = `${prefix}${name}?token=${body.access_token}&a=${'a'.repeat(2000)}`;
  const resume = [...Array(8).keys()].map((i) => `${i}`.repeat(22)).join('.');
  const snippet = await readFile('nginx/snippets/gate.conf', 'utf8');
  const [, kilobytes] = /proxy_buffer_size (\d+)k;/.exec(snippet) ?? [];
  expect(await sizeOf(gate.port, uri, resume)).toBeLessThan(Number(kilobytes) * 1024);
});

/** Bytes of the answer of /x-accel, which has no body. */
function sizeOf(port: number, uri: string, resume: string): Promise<number> {
  const headers = {
    'X-Original-URI': uri,
    'X-Original-Method': 'GET',
    'Postern-Site': 'files.example',
    'Postern-Resume': resume,
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return new Promise((resolve, reject) => {
    let size = 0;
    const socket = connect(port, '127.0.0.1');
    socket.on('data', (chunk) => {
      if (size === 0) expect(String(chunk)).toMatch(/^HTTP\/1.1 200/);
      size += chunk.length;
    });
    socket.on('close', () => resolve(size)).on('error', reject);
    socket.write(`GET /x-accel HTTP/1.1\r\nHost: postern\r\n${lines.join('')}\r\n`);
  });
}
