import type { Context } from 'hono';
import type { z } from 'zod';
import { RequestError } from '../token/request-error.ts';
import { fieldErrorsOf } from './schema.ts';

/** A body (endpoint.ts), and each entry of a batch. A request with every field at its maximum length fits. */
export const MAX_BODY_BYTES = 16 * 1024;

const MAX_DEPTH = 8;

/** Fields and list entries of one request: 64 addresses, all fields, and some unknown ones. */
const MAX_VALUES = 96;

/** A form. A JWT of the maximum length fits, with the ID and the key of a client. */
export const MAX_FORM_BYTES = 6 * 1024;

/** Fields of a form. Only a few are known. */
const MAX_FORM_FIELDS = 32;

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** JSON has fewer kinds of white space than JavaScript. */
const BLANKS = [0x20, 0x09, 0x0a, 0x0d];

/** Reads a JSON body and checks it against the schema of an object. @throws RequestError */
export async function readJson<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  const body = new Uint8Array(await c.req.arrayBuffer());
  // The schema says what to do with an array, whatever is in it.
  const isArray = body[afterBlanks(body, 0)] === OPEN_LIST;
  if (!isArray) endOfValue(body, 0, '');
  const parsed = schema.safeParse(isArray ? [] : parseJson(body));
  if (parsed.success) return parsed.data;
  throw invalid(fieldErrorsOf(parsed.error));
}

/**
 * Splits an array without parsing it, and bounds the work for each element: brackets alone could block for milliseconds.
 * The text, in UTF-8, is valid JSON if and only if each element is. It is split as far as the caller asks for elements.
 * @throws RequestError for another text, for more than `maxElements`, or an element with too many bytes, levels or fields
 */
export function* splitArray(text: Uint8Array, maxElements: number): Generator<Uint8Array> {
  const detail = `The body must be an array of 1 to ${maxElements} requests.`;
  let mark = afterBlanks(text, 0);
  if (text[mark] !== OPEN_LIST) throw new RequestError('invalid_request', detail);
  for (let count = 0; text[mark] !== CLOSE_LIST; count += 1) {
    const begin = mark + 1;
    mark = endOfValue(text, begin, `/${count}`);
    const isEmpty = count === 0 && text[mark] === CLOSE_LIST && afterBlanks(text, begin) === mark;
    if (isEmpty || count >= maxElements) throw new RequestError('invalid_request', detail);
    if (text[mark] !== COMMA && text[mark] !== CLOSE_LIST) throw noJson();
    yield text.subarray(begin, mark);
  }
  if (afterBlanks(text, mark + 1) < text.length) throw noJson();
}

/** Index of the comma or bracket after a value, or the end of the text. @throws RequestError for a value that is too large */
function endOfValue(text: Uint8Array, begin: number, pointer: string): number {
  let [depth, values] = [0, 0];
  const tooMuch = (detail: string) => invalid([{ pointer, detail }]);
  for (let i = begin; i < text.length; i += 1) {
    if (i - begin > MAX_BODY_BYTES) throw tooMuch(`has more than ${MAX_BODY_BYTES} bytes`);
    switch (text[i]) {
      case QUOTE:
        i = endOfString(text, i, begin + MAX_BODY_BYTES);
        break;
      case OPEN_LIST:
      case OPEN_OBJECT:
        depth += 1;
        if (depth > MAX_DEPTH) throw tooMuch(`is nested more than ${MAX_DEPTH} deep`);
        break;
      case COMMA:
        if (depth === 0) return i;
        values += 1;
        if (values < MAX_VALUES) break;
        throw tooMuch(`has more than ${MAX_VALUES} fields and list entries`);
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        if (depth === 0) return i;
        depth -= 1;
        break;
    }
  }
  return text.length;
}

/** Index of the quote that ends a string; past `end`, or past the end of the text, if there is none. */
function endOfString(text: Uint8Array, quote: number, end: number): number {
  for (let i = quote; ; ) {
    i = text.indexOf(QUOTE, i + 1);
    if (i < 0 || i > end) return i < 0 ? text.length : i;
    let begin = i;
    while (text[begin - 1] === BACKSLASH) begin -= 1;
    if ((i - begin) % 2 === 0) return i;
  }
}

function afterBlanks(text: Uint8Array, from: number): number {
  let i = from;
  while (BLANKS.includes(text[i] as number)) i += 1;
  return i;
}

/** @throws RequestError */
export function parseJson(bytes: Uint8Array): unknown {
  const text = decode(bytes);
  try {
    return JSON.parse(text);
  } catch {
    throw noJson();
  }
}

/** Reads the fields of a form, which are still encoded and not checked. @throws RequestError */
export async function readForm(c: Context): Promise<readonly string[]> {
  const text = decode(await c.req.arrayBuffer());
  const fields = text.split('&', MAX_FORM_FIELDS + 1);
  if (fields.length <= MAX_FORM_FIELDS) return fields;
  const detail = `The form must have at most ${MAX_FORM_FIELDS} fields.`;
  throw new RequestError('invalid_request', detail);
}

/** The value of a parameter that must be present once. Other parameters are ignored. @throws RequestError */
export function formValue(form: URLSearchParams, name: string): string {
  const [value, ...more] = form.getAll(name);
  if (more.length === 0 && value) return value;
  throw new RequestError('invalid_request', `The form must have exactly one ${name}.`, [
    { pointer: `/${name}`, detail: 'must be present exactly once' },
  ]);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: ArrayBuffer | Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new RequestError('invalid_request', 'The body is not UTF-8.');
  }
}

const invalid = (errors: RequestError['errors']) =>
  new RequestError('invalid_request', 'The request is not valid.', errors);

const noJson = () => new RequestError('invalid_request', 'The body is not valid JSON.');
