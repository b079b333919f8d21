import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keptLog } from '../api/ask-api.ts';
import type { Headers } from '../support/raw.ts';
import { modes, type Site, startSite } from '../support/site.ts';

const { log, parsed } = keptLog();

describe.each(modes)(
  'a control character in a header that nginx sends to the gate, by %s',
  (mode) => {
    let site: Site;
    beforeAll(async () => {
      site = await startSite({ mode, log, files: { a: 'file a' } });
      site.gate.server.on('clientError', site.postern.denyUnreadable);
    });
    afterAll(() => site.stop());

    test.each<[string, Headers]>([
      ['Authorization', { Authorization: 'Bearer a\x01b' }],
      ['a cookie', { Cookie: 'postern=a\x7fb' }],
      ['a resume cookie', { Cookie: 'postern_resume=\x02' }],
      ['Purpose', { Purpose: '\x03' }],
    ])('in %s the request is denied and logged for every token', async (_, headers) => {
      const { url } = await site.issue({ path: '/download/a' });
      expect((await site.ask('GET', url)).text).toBe('file a');
      const before = parsed().length;
      for (const target of [url, '/download/a']) {
        const answer = await site.ask('GET', target, headers);
        expect(answer.status).toBe(403);
        expect(answer.text).not.toContain('file a');
      }
      const lines = parsed().slice(before);
      const line = { code: 'invalid_request', request_id: expect.stringMatching(/^[0-9a-f]{32}$/) };
      expect(lines).toEqual(
        [1, 2].map(() => expect.objectContaining({ ...line, msg: 'decision' })),
      );
      expect(JSON.stringify(lines)).not.toContain(url.slice(-30));
      // The next request has a new connection.
      expect((await site.ask('GET', url)).text).toBe('file a');
    });

    test('in Accept-Language the denial has no page, and one line', async () => {
      const before = parsed().length;
      const headers = { Accept: 'text/html', 'Accept-Language': 'a\x01b' };
      const answer = await site.ask('GET', '/download/a', headers);
      expect([answer.status, answer.header('Content-Type')]).toEqual([401, 'text/plain']);
      expect(parsed().slice(before)).toEqual([expect.objectContaining({ code: 'missing_token' })]);
    });
  },
);
