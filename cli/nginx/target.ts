import type { Faults } from '../../service/config/fault.ts';
import type { Given } from '../../service/config/given.ts';
import { isHost } from './address.ts';

/** No query, no user and no sign that nginx, or a URL's reader, takes for something else. */
const URL_PARTS = /^(https?):\/\/([^/]+)((?:\/[A-Za-z0-9._~-]+)*\/?)$/;

const MAX_LENGTH = 1024;

/** Where an internal location proxies to: scheme, host, and a path before that of the file. With a slash at its end. */
export function readTarget(value: Given, url: string, faults: Faults): string | undefined {
  const [, , authority = '', path = ''] = URL_PARTS.exec(url) ?? [];
  const dots = /\/\.\.?(\/|$)/.test(path);
  if (isHost(authority) && !dots && url.length <= MAX_LENGTH)
    return url.endsWith('/') ? url : `${url}/`;
  return faults.add(
    value,
    'the URL of the files, such as https://bucket.store.example or ' +
      'http://127.0.0.1:9000/bucket/: without user, query, % and ..',
  );
}
