import { expect, test } from 'vitest';
import { createAsked, keptLog } from './ask-api.ts';

test.each([
  ['/auth-request', 404, 'not_found'],
  ['/x-accel', 503, 'unavailable'],
])(
  'the API answers %s with %i without a key, and logs once what is wrong',
  async (path, status, code) => {
    const { log, parsed } = keptLog();
    const { ask } = createAsked({ log });
    for (let i = 0; i < 3; i += 1) {
      expect(await ask(`GET ${path}`, { key: '' })).toMatchObject({ status, body: { code } });
    }
    const msg = expect.stringContaining('POSTERN_LISTEN');
    expect(parsed()).toEqual([expect.objectContaining({ level: 40, path, msg })]);
  },
);
