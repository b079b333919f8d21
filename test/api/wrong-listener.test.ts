import { expect, test } from 'vitest';
import { createAsked, keptLog } from './ask-api.ts';

test.each(['/auth-request', '/x-accel'])(
  'the API answers %s with 404 without a key, and logs once what is wrong',
  async (path) => {
    const { log, parsed } = keptLog();
    const { ask } = createAsked({ log });
    for (let i = 0; i < 3; i += 1) {
      const found = { status: 404, body: { code: 'not_found' } };
      expect(await ask(`GET ${path}`, { key: '' })).toMatchObject(found);
    }
    const msg = expect.stringContaining('POSTERN_LISTEN');
    expect(parsed()).toEqual([expect.objectContaining({ level: 40, path, msg })]);
  },
);
