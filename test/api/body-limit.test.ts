import { request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { apiListener, createPostern, KEY, listening } from '../support/postern.ts';
import { keptLog } from './ask-api.ts';

const MEGABYTE = 1024 * 1024;

/** Posts this number of bytes of JSON over HTTP, with or without Content-Length. */
async function post(bytes: number, withLength: boolean) {
  const { log, withoutAudit } = keptLog();
  const { api } = createPostern({ log });
  const { port, stop } = await listening(apiListener(api));
  onTestFinished(stop);
  const json = '[{"path":"/download/a"}]';
  const body = json + ' '.repeat(bytes - json.length);
  const reply = await new Promise<{ status: number; cache: unknown; text: string }>(
    (resolve, reject) => {
      const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
      const asked = request(
        { port, path: '/tokens/batch', method: 'POST', headers },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => {
            text += chunk;
          });
          response.on('end', () => {
            const { statusCode: status = 0, headers: said } = response;
            resolve({ status, cache: said['cache-control'], text });
          });
        },
      );
      asked.on('error', reject);
      if (withLength) asked.setHeader('content-length', bytes);
      else asked.setHeader('transfer-encoding', 'chunked');
      asked.end(body);
    },
  );
  return { ...reply, lines: withoutAudit() };
}

test.each([
  ['with its length', true],
  ['in chunks', false],
])(
  'API: a request body of one megabyte %s is accepted, and one more byte is not',
  async (_, withLength) => {
    expect(await post(MEGABYTE, withLength)).toMatchObject({ status: 201, cache: 'no-store' });
    const { status, cache, text, lines } = await post(MEGABYTE + 1, withLength);
    expect([status, cache]).toEqual([413, 'no-store']);
    expect(JSON.parse(text)).toMatchObject({ status: 413, code: 'content_too_large' });
    expect(lines).toEqual([]);
  },
);
