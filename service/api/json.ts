import { NOT_ISSUED } from '../token/issue.ts';
import { Refused } from '../token/refused.ts';
import { NO_JSON } from './http.ts';

const MAX_DEPTH = 8;

/** Fields and list entries of one request: 64 addresses, all fields, and some unknown ones. */
const MAX_VALUES = 128;

/** As the body of a single request. */
const MAX_ELEMENT_BYTES = 32 * 1024;

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** JSON has fewer kinds of white space than JavaScript. */
const BLANKS = [0x20, 0x09, 0x0a, 0x0d];

/**
 * Splits an array into its elements without parsing them, and bounds the work of JSON.parse and the schema for each:
 * a megabyte of brackets or unknown fields would block the event loop for most of a second. The text, in UTF-8, is
 * valid JSON if and only if each of the elements is. It is split as far as the caller asks for elements.
 *
 * @throws Refused for another text, for more than `maxElements`, or an element with too many bytes, levels or fields
 */
export function* splitArray(text: Uint8Array, maxElements: number): Generator<Uint8Array> {
  let i = afterBlanks(text, 0);
  if (text[i] !== OPEN_LIST) refuseLength(maxElements);
  let [depth, elements, values, begin] = [0, 0, 0, i + 1];

  function refuse(detail: string): never {
    throw new Refused('invalid_request', NOT_ISSUED, [{ pointer: `/${elements}`, detail }]);
  }

  for (; i < text.length; i += 1) {
    if (i - begin > MAX_ELEMENT_BYTES) refuse(`has more than ${MAX_ELEMENT_BYTES} bytes`);
    switch (text[i]) {
      case QUOTE:
        i = endOfString(text, i, begin + MAX_ELEMENT_BYTES);
        break;
      case OPEN_LIST:
      case OPEN_OBJECT:
        depth += 1;
        if (depth - 1 > MAX_DEPTH) refuse(`is nested more than ${MAX_DEPTH} deep`);
        break;
      case COMMA:
        if (depth === 1) {
          elements += 1;
          if (elements >= maxElements) refuseLength(maxElements);
          yield text.subarray(begin, i);
          [values, begin] = [0, i + 1];
          break;
        }
        values += 1;
        if (values >= MAX_VALUES) refuse(`has more than ${MAX_VALUES} fields and list entries`);
        break;
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        depth -= 1;
        if (depth > 0) break;
        if (text[i] !== CLOSE_LIST || afterBlanks(text, i + 1) < text.length) refuseSyntax();
        if (elements === 0 && afterBlanks(text, begin) === i) refuseLength(maxElements);
        yield text.subarray(begin, i);
        return;
    }
  }
  refuseSyntax();
}

/** Index of the quote that ends a string; past `end`, or past the end of the text, if there is none. */
function endOfString(text: Uint8Array, quote: number, end: number): number {
  let i = quote + 1;
  while (i < text.length && i <= end && text[i] !== QUOTE) i += text[i] === BACKSLASH ? 2 : 1;
  return i;
}

function afterBlanks(text: Uint8Array, from: number): number {
  let i = from;
  while (BLANKS.includes(text[i] as number)) i += 1;
  return i;
}

function refuseLength(maxElements: number): never {
  throw new Refused(
    'invalid_request',
    `The body must be an array of 1 to ${maxElements} requests.`,
  );
}

function refuseSyntax(): never {
  throw new Refused('invalid_request', NO_JSON);
}
