import { expect, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { ConfigError } from '../../service/config/errors.ts';
import { changesBetween } from '../../service/process/reload.ts';
import { EVENT_TYPES } from '../../service/webhooks/event.ts';
import { errorOf, MOUNTS } from './load.ts';

const SECRET = `whsec_${Buffer.alloc(24, 'a').toString('base64')}`;
const OTHER = `whsec_${Buffer.alloc(64, 'b').toString('base64')}`;
const URL = { POSTERN_WEBHOOK_URL: 'https://app.example/events?key=hidden' };
const FILE = { POSTERN_WEBHOOK_SECRET_FILE: '/run/secrets/webhook' };

const load = (env: Record<string, string>, file = `${SECRET}\n`) =>
  loadConfig({ ...MOUNTS, ...env }, () => file, { onTerminal: true });
const issuesOf = (env: Record<string, string>, file?: string) =>
  errorOf(() => load(env, file)).issues.map(({ field, expected }) => `${field}: ${expected}`);

test('config: without settings there are no events', () => {
  expect(load({}).events).toEqual({ types: [] });
});

test('config: POSTERN_EVENTS alone stores these events', () => {
  const { events } = load({ POSTERN_EVENTS: 'token.revoked,token.redeemed' });
  expect(events).toEqual({ types: ['token.revoked', 'token.redeemed'] });
});

test('config: a webhook gets all events, and its file has a secret on each line', () => {
  const { events } = load({ ...URL, ...FILE }, `${SECRET}\r\n\n${OTHER}\n`);
  const secrets = [Buffer.alloc(24, 'a'), Buffer.alloc(64, 'b')];
  const webhook = { url: URL.POSTERN_WEBHOOK_URL, secrets, allow: [] };
  expect(events).toEqual({ types: EVENT_TYPES, webhook });
});

test('config: a webhook can get some events, at addresses that are not public', () => {
  const { events } = load({
    ...FILE,
    POSTERN_WEBHOOK_URL: 'http://127.0.0.1:8000/',
    POSTERN_WEBHOOK_ALLOW: '127.0.0.1, 10.0.0.0/8,fd00::/8',
    POSTERN_EVENTS: 'token.revoked',
  });
  expect(events.types).toEqual(['token.revoked']);
  expect(events.webhook?.allow).toEqual(['127.0.0.1', '10.0.0.0/8', 'fd00::/8']);
});

test.each<[string, Record<string, string>, string | undefined, RegExp]>([
  ['no file', URL, undefined, /^POSTERN_WEBHOOK_SECRET_FILE: .*whsec_/],
  ['an empty file', { ...URL, ...FILE }, '\n', /^POSTERN_WEBHOOK_SECRET_FILE: .*whsec_/],
  ['a short secret', { ...URL, ...FILE }, 'whsec_YQ==', /^POSTERN_WEBHOOK_SECRET_FILE/],
  ['one bad line', { ...URL, ...FILE }, `${SECRET}\nx`, /^POSTERN_WEBHOOK_SECRET_FILE/],
  ['a file without a URL', FILE, undefined, /^POSTERN_WEBHOOK_SECRET_FILE: no value, or a URL/],
  [
    'addresses without a URL',
    { POSTERN_WEBHOOK_ALLOW: '10.0.0.0/8' },
    undefined,
    /^POSTERN_WEBHOOK_ALLOW: no value/,
  ],
  [
    'http without addresses',
    { ...FILE, POSTERN_WEBHOOK_URL: 'HTTP://a.example/' },
    undefined,
    /^POSTERN_WEBHOOK_URL: an https URL: http is only for addresses in POSTERN_WEBHOOK_ALLOW/,
  ],
  [
    'a type',
    { POSTERN_EVENTS: 'token.lost' },
    undefined,
    /^POSTERN_EVENTS: a list of token.issued/,
  ],
  [
    'a range',
    { ...URL, ...FILE, POSTERN_WEBHOOK_ALLOW: '10.0.0.1/8' },
    undefined,
    /^POSTERN_WEBHOOK_ALLOW: a list of addresses and ranges/,
  ],
  ...['ftp://a.example/', 'https://u:p@a.example/', 'a.example', 'https://a.example/#a'].map(
    (url): [string, Record<string, string>, undefined, RegExp] => [
      url,
      { ...FILE, POSTERN_WEBHOOK_URL: url },
      undefined,
      /^POSTERN_WEBHOOK_URL: an https URL, such as/,
    ],
  ),
])('config: an error with events: %s', (_, env, file, expected) => {
  expect(issuesOf(env, file)).toEqual([expect.stringMatching(expected)]);
});

test('config: no report shows a secret of a webhook or the path of its URL', () => {
  const env = { ...URL, POSTERN_WEBHOOK_SECRET_FILE: SECRET, POSTERN_WEBHOOK_ALLOW: 'x' };
  const missing = () => {
    throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
  };
  const bad = { ...MOUNTS, ...env, POSTERN_WEBHOOK_URL: `${URL.POSTERN_WEBHOOK_URL}#a` };
  for (const attempt of [() => loadConfig(bad, missing), () => load({ ...env, ...FILE }, OTHER)]) {
    const { message, issues } = errorOf(attempt);
    expect(`${message}${JSON.stringify(issues)}`).not.toMatch(/hidden|YWFh|YmJi/);
  }
  expect(() => loadConfig(bad, missing)).toThrow(ConfigError);
});

test('changes: those of a webhook are named, without values, and need no restart', () => {
  const before = load({});
  const one = load({ ...URL, ...FILE });
  const allow = { POSTERN_WEBHOOK_ALLOW: '10.0.0.0/8' };
  const two = load({ ...FILE, POSTERN_WEBHOOK_URL: 'https://b.example/', ...allow }, OTHER);
  const webhook = ['webhook_url', 'webhook_secret_file', 'webhook_allow'];
  expect(changesBetween(before, one)).toEqual({
    made: ['changed events', ...webhook.map((name) => `added ${name}`)],
    needRestart: [],
  });
  expect(changesBetween(one, two)).toEqual({
    made: webhook.map((name) => `changed ${name}`),
    needRestart: [],
  });
});
