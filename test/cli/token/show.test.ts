import { expect, test } from 'vitest';
import { stateText } from '../../../cli/token/show.ts';

test('token show: what nginx sent is on one line', () => {
  const delivered = { requests: 3, bytes: 10, size: 10, first: 60, last: 120, whole: true };
  expect(stateText({ id: 'a', path: '/download/a', ip: ['::1', '10.0.0.1'], delivered })).toBe(
    `id         a
path       /download/a
ip         ::1 10.0.0.1
delivered  requests 3, bytes 10, size 10, first 1970-01-01T00:01:00Z, last 1970-01-01T00:02:00Z, whole true
`,
  );
});
