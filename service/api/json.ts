import { Refused } from '../domain/errors.ts';

const MAX_DEPTH = 8;

/** Fields and list entries of one request: 64 addresses, all fields, and some unknown ones. */
const MAX_VALUES = 128;

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** The detail of a batch with an invalid entry. */
export const NOT_ISSUED = 'No token was issued: the request is not valid.';

/**
 * Splits an array into its unparsed elements, and bounds the work of JSON.parse and the schema for each:
 * a megabyte of brackets or unknown fields would block the event loop for most of a second. The text is
 * valid JSON if and only if each of the elements is.
 *
 * @throws Refused for another text, for more than `maxElements`, or an element with too many levels or fields
 */
export function splitArray(text: string, maxElements: number): readonly string[] {
  const start = text.search(/[^ \t\n\r]/);
  if (text.charCodeAt(start) !== OPEN_LIST) refuseLength(maxElements);
  const elements: string[] = [];
  let [depth, count, begin] = [0, 0, start + 1];

  function refuse(detail: string): never {
    throw new Refused('invalid_request', NOT_ISSUED, [{ pointer: `/${elements.length}`, detail }]);
  }

  for (let i = start; i < text.length; i += 1) {
    switch (text.charCodeAt(i)) {
      case QUOTE:
        i = endOfString(text, i);
        break;
      case OPEN_LIST:
      case OPEN_OBJECT:
        depth += 1;
        if (depth - 1 > MAX_DEPTH) refuse(`is nested more than ${MAX_DEPTH} deep`);
        break;
      case COMMA:
        if (depth === 1) {
          elements.push(text.slice(begin, i));
          if (elements.length >= maxElements) refuseLength(maxElements);
          [count, begin] = [0, i + 1];
          break;
        }
        count += 1;
        if (count >= MAX_VALUES) refuse(`has more than ${MAX_VALUES} fields and list entries`);
        break;
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        depth -= 1;
        if (depth === 0) {
          const last = text.slice(begin, i);
          if (text.charCodeAt(i) !== CLOSE_LIST || !isBlank(text.slice(i + 1))) refuseSyntax();
          if (elements.length > 0 || !isBlank(last)) elements.push(last);
          if (elements.length === 0) refuseLength(maxElements);
          return elements;
        }
    }
  }
  return refuseSyntax();
}

/** @throws Refused */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return refuseSyntax();
  }
}

/** Index of the quote that ends a string; past the end of the text if there is none. */
function endOfString(text: string, quote: number): number {
  let i = quote + 1;
  while (i < text.length && text.charCodeAt(i) !== QUOTE) {
    i += text.charCodeAt(i) === BACKSLASH ? 2 : 1;
  }
  return i;
}

/** JSON has fewer kinds of white space than JavaScript. */
function isBlank(text: string): boolean {
  return /^[ \t\n\r]*$/.test(text);
}

function refuseLength(maxElements: number): never {
  throw new Refused(
    'invalid_request',
    `The body must be an array of 1 to ${maxElements} requests.`,
  );
}

function refuseSyntax(): never {
  throw new Refused('invalid_request', 'The body is not valid JSON.');
}
