import { expect, onTestFinished, test } from 'vitest';
import { apiListener, createPostern } from '../support/postern.ts';
import { startSite, ways } from '../support/site.ts';

test.each(ways)(
  "by %s, the API's port as nginx's upstream opens nothing and never answers invalid_token",
  async (way) => {
    const gate = apiListener(createPostern().api);
    const site = await startSite({ way, gate, files: { a: 'file a' } });
    onTestFinished(() => site.stop());
    const { url } = await site.issue({ path: '/download/a' });
    const { status, text } = await site.ask('GET', url);
    // nginx passes the response on to the client unchanged.
    expect(status).toBe(way === 'auth_request' ? 503 : 404);
    expect(text).not.toContain('file a');
    expect(text).not.toContain('invalid_token');
  },
);
