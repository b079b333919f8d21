import { EVENT_TYPES, type EventType } from '../domain/event.ts';
import { type ValidPlain, variableOf } from './settings.ts';
import { createFileReader, type Fields, type ReadFile } from './source.ts';

/** `secrets` are what they are called: never log them, nor the URL, which may hold one. */
export interface EventSettings {
  readonly types: readonly EventType[];
  readonly webhook?: {
    readonly url: string;
    readonly secrets: readonly Buffer[];
    readonly allow: readonly string[];
  };
}

const SECRETS =
  'the path of a file with a secret on each line: whsec_ and 24 to 64 bytes in base64. ' +
  'To create one: printf whsec_%s "$(openssl rand -base64 32)"';

/** The settings of events, and the file with the secrets; undefined, with issues, if one is invalid. */
export function readEvents(
  plain: ValidPlain,
  settings: Fields,
  readFile: ReadFile,
): EventSettings | undefined {
  const { events, webhook_url: url, webhook_allow: allow = [] } = plain;
  const { has, add } = settings;
  if (!has('webhook_url')) {
    for (const name of ['webhook_secret_file', 'webhook_allow'].filter(has)) {
      add(name, `no value, or a URL in ${variableOf('webhook_url')}`);
    }
    return { types: events ?? [] };
  }
  if (!has('webhook_secret_file')) {
    return add('webhook_secret_file', `${SECRETS}; the receiver verifies each event with it`);
  }
  const fromFile = createFileReader(plain, settings, readFile);
  const secrets = fromFile('webhook_secret_file', SECRETS, readSecrets);
  if (url === undefined || secrets === undefined) return undefined;
  if (url.startsWith('http:') && !has('webhook_allow')) {
    const expected = 'an https URL: http is only for addresses in';
    return add('webhook_url', `${expected} ${variableOf('webhook_allow')}`);
  }
  return { types: events ?? EVENT_TYPES, webhook: { url, secrets, allow } };
}

function readSecrets(text: string): readonly Buffer[] | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  const secrets = lines.filter(Boolean).map((line) => {
    const [, base64 = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
    return Buffer.from(base64, 'base64');
  });
  const areValid = secrets.every(({ length }) => length >= 24 && length <= 64);
  return secrets.length > 0 && areValid ? secrets : undefined;
}
