import { expect, test } from 'vitest';
import { failureOf } from '../../service/store/connection/failure.ts';

const SECRET = 'pa55word';

const system = (fields: object) => Object.assign(new Error(`getaddrinfo ${SECRET}`), fields);

test.each([
  [new Error('Command timed out'), 'Redis does not answer: Command timed out'],
  [new Error(`Command queue state error. Last reply: ${SECRET}`), 'no valid reply'],
  [
    system({ code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: SECRET }),
    'getaddrinfo ENOTFOUND',
  ],
  [
    system({ code: 'ECONNREFUSED', syscall: 'connect', address: '10.0.0.1', port: 6379 }),
    'connect ECONNREFUSED 10.0.0.1:6379',
  ],
  [system({ code: 'EACCES', syscall: 'connect', address: `/run/${SECRET}` }), 'connect EACCES'],
  [system({ code: 'CERT_HAS_EXPIRED' }), 'TLS to Redis fails (CERT_HAS_EXPIRED)'],
])('failure: %s is logged without the text of a server', (error, expected) => {
  const { message, shown } = failureOf(error);
  expect(message).toContain(expected);
  expect(`${message}${shown}`).not.toContain(SECRET);
  expect(shown).not.toContain('10.0.0.1');
});
