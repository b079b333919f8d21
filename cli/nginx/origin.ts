import type { Faults } from '../../service/config/fault.ts';
import type { Given } from '../../service/config/given.ts';

const ORIGIN = /^https?:\/\/([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[\da-f:.]+\])(:\d{1,5})?$/;

/** An origin exactly as a browser sends it: lower case, Punycode, no usual port, nothing after it. */
export function readOrigin(value: Given, faults: Faults): string | undefined {
  const text = String(value.value);
  if (
    ORIGIN.test(text) &&
    text.length <= 300 &&
    URL.canParse(text) &&
    new URL(text).origin === text
  ) {
    return text;
  }
  return faults.add(
    value,
    'an origin as browsers send it, such as https://app.example or http://localhost:3000: ' +
      'without path and *, in lower case, in Punycode (xn--…) for other scripts',
  );
}
