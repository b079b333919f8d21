import { describe, expect, test } from 'vitest';
import { modes, useSite } from '../support/site.ts';

describe.each(modes)('smoke: a download by %s', (mode) => {
  const site = useSite({ mode, files: { 'a.txt': 'hello', 'b.txt': 'other' } });

  test('a token opens its file and no other', async () => {
    const { url } = await site.issue({ path: '/download/a.txt' });
    const opened = await site.fetch(url);
    expect([opened.status, await opened.text()]).toEqual([200, 'hello']);
    expect((await site.fetch(url.replace('a.txt', 'b.txt'))).status).toBe(403);
    expect((await site.fetch('/download/a.txt')).status).toBe(401);
    expect((await site.fetch('/protected/a.txt')).status).toBe(404);
  });
});
