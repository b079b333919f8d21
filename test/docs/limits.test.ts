import { expect, test } from 'vitest';
import { textOf } from '../harness/paths.ts';

/** Rows of docs/reference/limits.md, each with the constants that it names, in its order. The factor is the row's unit. */
const ROWS: ReadonlyArray<readonly [row: string, ...Array<readonly [string, string, number?]>]> = [
  ['body, or each entry of a batch', ['api/body', 'MAX_BODY_BYTES', 1024]],
  ['body of `POST /tokens/batch`', ['api/tokens', 'MAX_BATCH_BYTES', 1024]],
  ['tokens of a batch', ['api/schema', 'MAX_BATCH']],
  ['body that is a form', ['api/body', 'MAX_FORM_BYTES', 1024]],
  ['fields of a form', ['api/body', 'MAX_FORM_FIELDS']],
  ['fields and list entries', ['api/body', 'MAX_VALUES']],
  ['depth of a body', ['api/body', 'MAX_DEPTH']],
  ['URL and headers together', ['process/listen', 'MAX_REQUEST_HEADER_BYTES', 1024]],
  ['number of headers', ['process/listen', 'MAX_HEADERS']],
  ['JWT of a client', ['jwt/issuers', 'MAX_CLIENT_JWT_LENGTH']],
  ['header of that JWT', ['token/token', 'MAX_HEADER_LENGTH']],
  ['time for a request to arrive', ['process/listen', 'RECEIVE_MS', 1000]],
  ['requests without a response', ['process/listen', 'MAX_AHEAD']],
  ['batches, lists and revocations', ['api/endpoint', 'MAX_OF_CLIENT']],
  ['batches in progress in a process', ['api/endpoint', 'MAX_BODIES_BYTES', 1 << 20]],
  ['tokens on a page', ['api/schema', 'MAX_PAGE']],
  ['requesters of a token in a response', ['token/store', 'MAX_SHOWN_REQUESTERS']],
  ['revocations by `jti`', ['token/revoke', 'MAX_ENDLESS']],
  ['path, decoded', ['paths/path', 'MAX_PATH_BYTES']],
  ['JWT for downloads', ['token/token', 'MAX_JWT_LENGTH']],
  ['request URI in Postern', ['decide/request-uri', 'MAX_URI_LENGTH', 1024]],
  ['arguments of a URI', ['decide/request-uri', 'MAX_PAIRS']],
  ['passed arguments', ['decide/request-uri', 'MAX_ARGS_LENGTH']],
  ['headers of a request to the gate', ['process/listen', 'MAX_HEADER_BYTES', 1024]],
  ['cookies `postern`', ['decide/authorize', 'MAX_COOKIES']],
  ['first uses in a resume cookie', ['token/uses', 'MAX_KEPT']],
  ['requesters of a token |', ['token/grant-fields', 'MAX_REQUESTERS']],
  ['wrong PINs', ['token/uses', 'MAX_PIN_ATTEMPTS']],
  ['time for a decision in Postern', ['decide/deadline', 'MAX_MS', 1000]],
  ['keys of an issuer', ['jwt/keys', 'MAX_BYTES', 1 << 20], ['jwt/keys', 'TIMEOUT_MS', 1000]],
  ['clock of nginx', ['decide/started', 'MAX_AHEAD_MS', 1000]],
  ['signature for an object', ['s3/sign', 'VALID_SECONDS']],
  ['entries of a ZIP', ['pages/browser/zip', 'MAX_FILES']],
  ['bytes of a ZIP', ['pages/browser/zip', 'MAX_BYTES', 1e9]],
  ['folders in each other', ['pages/browser/zip', 'MAX_DEPTH']],
  ['each file of `page_folder`', ['pages/folder', 'MAX_FILE_BYTES', 1024]],
  ['pages of denials', ['pages/pages', 'MAX_PAGES']],
  ['ranges of a token', ['token/delivery', 'MAX_RANGES']],
  ['tokens whose reports wait', ['delivery/collect', 'MAX_PENDING']],
  ['events of a queue that wait', ['events/queue', 'MAX_UNSTORED']],
  ['events of a queue in Redis', ['events/event', 'MAX_STORED_EVENTS']],
  ['dead events', ['events/event', 'MAX_DEAD_EVENTS']],
  ['`token.refused`', ['events/event', 'MAX_PER_SECOND']],
  ['requests to a webhook', ['events/webhook', 'MAX_CONCURRENT']],
  ['time for its response', ['events/webhook', 'TIMEOUT_MS', 1000]],
  ['attempts for an event', ['events/webhook', 'MAX_ATTEMPTS']],
  ['log lines', ['process/log', 'MAX_BUFFERED_BYTES', 1 << 20]],
];

/** The value of a constant: a product or a shift of numbers. */
function constant(file: string, name: string): number {
  const source = textOf(`service/${file}.ts`);
  const [, text = ''] =
    new RegExp(`^(?:export )?const ${name} = ([\\d_e*< ]+);`, 'm').exec(source) ?? [];
  const numbers = text.split(/\*|<</).map((part) => Number(part.replaceAll('_', '')));
  return numbers.reduce((all, next) => (text.includes('<<') ? all * 2 ** next : all * next));
}

test.each(ROWS.map(([row, ...constants]) => ({ row, constants })))(
  'docs/reference/limits.md: "$row" has the value of the code',
  ({ row, constants }) => {
    const lines = textOf('docs/reference/limits.md').split('\n');
    const [, , limit = ''] = (lines.find((line) => line.startsWith(`| ${row}`)) ?? '').split('|');
    const shown = [...limit.matchAll(/\d[\d,]*(?:\.\d+)?(?= )/g)].map(([number]) =>
      number.replaceAll(',', ''),
    );
    const expected = constants.map(([file, name, unit = 1]) => String(constant(file, name) / unit));
    expect(shown.slice(0, expected.length)).toEqual(expected);
  },
);
