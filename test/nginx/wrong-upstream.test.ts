import { expect, onTestFinished, test } from 'vitest';
import { apiListener, createPostern } from '../support/postern.ts';
import { modes, startSite } from '../support/site.ts';

test.each(modes)(
  "by %s, the API's port as nginx's upstream opens nothing and never answers invalid_token",
  async (mode) => {
    const gate = apiListener(createPostern().api);
    const site = await startSite({ mode, gate, files: { a: 'file a' } });
    onTestFinished(() => site.stop());
    const { url } = await site.issue({ path: '/download/a' });
    const { status, text } = await site.ask('GET', url);
    // nginx passes the response on to the client unchanged.
    expect(status).toBe(mode === 'auth_request' ? 503 : 404);
    expect(text).not.toContain('file a');
    expect(text).not.toContain('invalid_token');
  },
);
