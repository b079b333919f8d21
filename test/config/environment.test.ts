import { expect, test } from 'vitest';
import { issuesOf, load } from './load.ts';

test.each([
  ['POSTERN_MOUNT', 'did you mean POSTERN_MOUNTS?'],
  ['POSTERN_APIKEYS', 'did you mean POSTERN_API_KEYS?'],
  ['POSTERN_LISTNE', 'did you mean POSTERN_LISTEN?'],
  ['POSTERN_CONF', 'did you mean POSTERN_CONFIG?'],
  ['POSTERN_TOKEN_LENGTH', 'the name of a setting: POSTERN_CONFIG, POSTERN_LISTEN'],
  ['POSTERN_API', 'only postern token and postern doctor use this variable'],
  ['POSTERN_API_KEY', 'unset it for the service; did you mean POSTERN_API_KEYS?'],
  ['POSTERN_', 'the name of a setting: POSTERN_CONFIG, '],
  ['POSTERN_PORT', 'the name of a setting: POSTERN_CONFIG, '],
  ['POSTERN_API_PORT', 'the name of a setting: POSTERN_CONFIG, '],
])('config: the variable %s is unknown', (variable, expected) => {
  expect(issuesOf({ [variable]: '7300' })).toEqual([
    { field: variable, expected: expect.stringContaining(expected) },
  ]);
});

test('config: variables that Kubernetes and Docker inject are ignored', () => {
  const injected = {
    POSTERN_SERVICE_HOST: '10.0.0.1',
    POSTERN_SERVICE_PORT: '7300',
    POSTERN_SERVICE_PORT_GATE: '7300',
    POSTERN_PORT: 'tcp://10.0.0.1:7300',
    POSTERN_PORT_7300_TCP: 'tcp://10.0.0.1:7300',
    POSTERN_PORT_7300_TCP_ADDR: '10.0.0.1',
    POSTERN_API_SERVICE_HOST: '10.0.0.2',
    POSTERN_API_PORT: 'tcp://10.0.0.2:7301',
    POSTERN_API_PORT_7301_TCP_PORT: '7301',
  };
  expect(load(injected)).toEqual(load({}));
});

test('config: variables of other programs are ignored', () => {
  expect(load({ PATH: '/bin', POSTERNX: 'a', MY_POSTERN_LISTEN: 'a' })).toEqual(load({}));
});
