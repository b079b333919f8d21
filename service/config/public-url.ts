import type { Faults } from './fault.ts';
import type { Given } from './given.ts';

/** The origin before the paths of issued URLs, as `https://files.example`: no slash at the end. */
export function readPublicUrl(given: Given, faults: Faults): string | undefined {
  const text = typeof given.value === 'string' ? given.value : '';
  const url = /^https?:\/\/[^\s\\]+$/i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) return faults.add(given, 'an origin such as https://files.example');
  const { origin, username, password, pathname, search, hash } = url;
  if (username + password !== '') {
    return faults.add(given, 'an origin without user name and password: https://files.example');
  }
  if (pathname !== '/' || search + hash !== '') {
    return faults.add(
      given,
      'an origin without a path, such as https://files.example: the public prefix follows it',
    );
  }
  return origin;
}
