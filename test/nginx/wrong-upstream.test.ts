import { expect, onTestFinished, test } from 'vitest';
import { apiListener, createPostern } from '../support/postern.ts';
import { startSite, ways } from '../support/site.ts';

test.each(ways)(
  "by %s, the API's port as nginx's upstream opens nothing and blames no token",
  async (way) => {
    const gate = apiListener(createPostern().api);
    const site = await startSite({ way, gate, files: { a: 'file a' } });
    onTestFinished(() => site.stop());
    const { url } = await site.issue({ path: '/download/a' });
    const { status, text } = await site.ask('GET', url);
    // A proxied answer reaches the client as it is.
    expect(status).toBe(way === 'auth_request' ? 503 : 404);
    expect(text).not.toContain('file a');
    expect(text).not.toContain('invalid_token');
  },
);
