import { expect, test } from 'vitest';
import { fileIssues, issuesOf, load, loadFile } from './load.ts';

const YAML = 'mounts: [{ public: /download/, internal: /protected/ }]\n';

test.each([
  ['127.0.0.1:7300', { host: '127.0.0.1', port: 7300 }],
  ['0.0.0.0:65535', { host: '0.0.0.0', port: 65_535 }],
  ['[::1]:7300', { host: '::1', port: 7300 }],
  ['localhost:1', { host: 'localhost', port: 1 }],
  ['gate-1.files.example:80', { host: 'gate-1.files.example', port: 80 }],
  ['unix:/run/postern/gate.sock', { path: '/run/postern/gate.sock' }],
])('config: the listen address %s is accepted', (value, listen) => {
  expect(load({ POSTERN_LISTEN: value }).listen).toEqual(listen);
});

test.each([
  '7300',
  ':7300',
  '127.0.0.1',
  '127.0.0.1:0',
  '127.0.0.1:65536',
  '127.0.0.1:',
  '127.0.0.1:7300 ',
  '127.0.0.300:7300',
  '::1:7300',
  '[::1]',
  '[localhost]:7300',
  'http://127.0.0.1:7300',
  '-a:7300',
  'unix:gate.sock',
  'unix:/run/',
  'unix:/',
  'unix:',
  'unix:/a\nb',
  `unix:/${'a'.repeat(103)}`,
])('config: the listen address %j is rejected', (value) => {
  expect(issuesOf({ POSTERN_LISTEN: value })).toMatchObject([
    { field: 'POSTERN_LISTEN', expected: expect.stringContaining('such as 127.0.0.1:7300') },
  ]);
  expect(issuesOf({ POSTERN_API_LISTEN: value })).toHaveLength(1);
});

test.each([
  ['a.example:80', 'A.example:80'],
  ['A.example:80', 'a.example:80'],
  ['0.0.0.0:80', '127.0.0.1:80'],
  ['127.0.0.1:80', '[::]:80'],
  ['unix:/a', 'unix:/a'],
  [undefined, 'unix:/run/postern/gate.sock'],
])('config: the gate on %s and the API on %s collide', (gate, api) => {
  expect(issuesOf({ POSTERN_LISTEN: gate, POSTERN_API_LISTEN: api })).toMatchObject([
    { field: 'POSTERN_API_LISTEN', expected: expect.stringContaining('POSTERN_LISTEN') },
  ]);
});

test.each([
  [{ POSTERN_METRICS_LISTEN: 'unix:/run/postern/gate.sock' }, 'POSTERN_LISTEN'],
  [{ POSTERN_METRICS_LISTEN: '0.0.0.0:7301' }, 'POSTERN_API_LISTEN'],
  [{ POSTERN_METRICS_LISTEN: 'unix:/a', POSTERN_LISTEN: 'unix:/a' }, 'POSTERN_LISTEN'],
])('config: %j collides with %s', (env, other) => {
  expect(issuesOf(env)).toMatchObject([
    { field: 'POSTERN_METRICS_LISTEN', expected: expect.stringContaining(other) },
  ]);
});

test('config: POSTERN_METRICS_LISTEN is an address, by default none, and not off', () => {
  expect(load({})).not.toHaveProperty('metricsListen');
  const only = { POSTERN_METRICS_LISTEN: '127.0.0.1:7301', POSTERN_API_LISTEN: 'off' };
  expect(load(only).metricsListen).toEqual({ host: '127.0.0.1', port: 7301 });
  expect(issuesOf({ POSTERN_METRICS_LISTEN: 'off' })).toHaveLength(1);
});

test.each(['10.0.0.1:7302', '0.0.0.0:7302', '[::]:7302', 'files.example:7302'])(
  'config: POSTERN_DELIVERY_LISTEN=%s needs POSTERN_DELIVERY_FROM',
  (where) => {
    expect(issuesOf({ POSTERN_DELIVERY_LISTEN: where })).toMatchObject([
      {
        field: 'POSTERN_DELIVERY_LISTEN',
        expected: expect.stringContaining('POSTERN_DELIVERY_FROM'),
      },
    ]);
    const from = { POSTERN_DELIVERY_LISTEN: where, POSTERN_DELIVERY_FROM: '10.0.0.2' };
    expect(load(from).deliveryFrom).toEqual(['10.0.0.2']);
  },
);

test('config: POSTERN_DELIVERY_LISTEN is an address of this machine, by default none', () => {
  expect(load({})).not.toHaveProperty('deliveryListen');
  for (const where of ['127.0.0.1:7302', '127.9.9.9:1', '[::1]:7302', 'localhost:7302']) {
    expect(load({ POSTERN_DELIVERY_LISTEN: where })).toHaveProperty('deliveryListen.port');
  }
  // UDP and TCP do not share ports.
  expect(load({ POSTERN_DELIVERY_LISTEN: '127.0.0.1:7300' })).toHaveProperty('deliveryListen');
  for (const where of ['unix:/run/a.sock', '7302', '127.0.0.1:0', 'off']) {
    expect(issuesOf({ POSTERN_DELIVERY_LISTEN: where }), where).toHaveLength(1);
  }
});

test.each(['10.0.0.1/8', 'files.example', '10.0.0.1,', '10.0.0.1 10.0.0.2', '*'])(
  'config: POSTERN_DELIVERY_FROM=%s is not a list of addresses',
  (from) => {
    expect(issuesOf({ POSTERN_DELIVERY_FROM: from })).toMatchObject([
      { field: 'POSTERN_DELIVERY_FROM', expected: expect.stringContaining('a list of addresses') },
    ]);
  },
);

test('config: a collision is reported at the listener that was set', () => {
  expect(issuesOf({ POSTERN_LISTEN: '127.0.0.1:7301' })).toMatchObject([
    { field: 'POSTERN_LISTEN', expected: expect.stringContaining('POSTERN_API_LISTEN') },
  ]);
});

test.each([
  ['a:80', 'a:81'],
  ['a:80', 'b:80'],
  ['unix:/a', 'unix:/b'],
])('config: the listen addresses %s and %s do not collide', (gate, api) => {
  expect(load({ POSTERN_LISTEN: gate, POSTERN_API_LISTEN: api })).toBeDefined();
});

test('config: POSTERN_API_LISTEN can be off, POSTERN_LISTEN cannot', () => {
  expect(load({ POSTERN_API_LISTEN: 'off' }).apiListen).toBe('off');
  // YAML 1.1 reads off as false, and programs that write YAML may spell it so.
  for (const yaml of ['off', '"off"', 'false']) {
    expect(loadFile(`${YAML}api_listen: ${yaml}\n`).apiListen).toBe('off');
  }
  expect(loadFile(`%YAML 1.1\n---\n${YAML}api_listen: off\n`).apiListen).toBe('off');
  for (const value of ['Off', 'false', 'on', 'off ']) {
    expect(issuesOf({ POSTERN_API_LISTEN: value })).toMatchObject([
      { field: 'POSTERN_API_LISTEN', expected: expect.stringContaining('or off') },
    ]);
  }
  expect(fileIssues(`${YAML}api_listen: true\n`)).toHaveLength(1);
  expect(issuesOf({ POSTERN_LISTEN: 'off' })).toMatchObject([
    { field: 'POSTERN_LISTEN', expected: expect.not.stringContaining('or off') },
  ]);
  expect(fileIssues(`${YAML}listen: false\n`)).toHaveLength(1);
});

test.each([
  ['POSTERN_STORE_TIMEOUT_MS', 10, 10_000],
  ['POSTERN_STORE_REPLICAS', 0, 10],
  ['POSTERN_EXPIRES_IN', 1, 3600],
  ['POSTERN_MAX_EXPIRES_IN', 1, 31_536_000],
  ['POSTERN_RESUME_FOR', 0, 86_400],
  ['POSTERN_MAX_RESUME_FOR', 0, 31_536_000],
  ['POSTERN_DECISION_TTL', 0, 3600],
  ['POSTERN_LEEWAY', 0, 60],
])('config: %s is a whole number from %i to %i', (variable, min, max) => {
  const store = { POSTERN_STORE: 'redis://127.0.0.1' };
  for (const value of [min, max]) expect(load({ ...store, [variable]: `${value}` })).toBeDefined();
  const wrong = [min - 1, max + 1, '1.5', '1e2', '0x20', ' 20', '20s', '-0', 'nan'];
  for (const value of wrong) {
    expect(issuesOf({ [variable]: `${value}` })).toMatchObject([
      { field: variable, value: `"${value}"`, expected: expect.stringMatching(/\d/) },
    ]);
  }
});

test('config: numbers in the file', () => {
  const mounts = 'mounts: [{ public: /download/, internal: /protected/ }]\n';
  expect(loadFile(`${mounts}decision_ttl: 5`).decisionTtl).toBe(5);
  for (const value of ['1.5', '-1', 'true', '.nan', '.inf', '[5]', '{a: 5}', '""']) {
    expect(fileIssues(`${mounts}decision_ttl: ${value}`)).toMatchObject([
      { field: 'decision_ttl', where: 'postern.yaml:2' },
    ]);
  }
});

test('config: the default expires_in must not exceed the maximum', () => {
  expect(issuesOf({ POSTERN_EXPIRES_IN: '3601' })).toEqual([
    {
      field: 'POSTERN_EXPIRES_IN',
      value: '"3601"',
      expected: expect.stringContaining('POSTERN_MAX_EXPIRES_IN to 3601'),
    },
  ]);
  expect(load({ POSTERN_EXPIRES_IN: '3601', POSTERN_MAX_EXPIRES_IN: '3601' }).expiresIn).toBe(3601);
  expect(load({ POSTERN_MAX_EXPIRES_IN: '60' }).expiresIn).toBe(60);
});

test('config: the default resume_for must not exceed the maximum', () => {
  expect(issuesOf({ POSTERN_RESUME_FOR: '86401' })).toEqual([
    {
      field: 'POSTERN_RESUME_FOR',
      value: '"86401"',
      expected: expect.stringContaining('POSTERN_MAX_RESUME_FOR to 86401'),
    },
  ]);
  const mounts = 'mounts: [{ public: /download/, internal: /protected/ }]\n';
  expect(fileIssues(`${mounts}resume_for: 2\nmax_resume_for: 1`)).toMatchObject([
    { field: 'resume_for', expected: expect.stringMatching(/at most 1 .* max_resume_for to 2$/) },
  ]);
  const equal = { POSTERN_RESUME_FOR: '86401', POSTERN_MAX_RESUME_FOR: '86401' };
  expect(load(equal).resumeFor).toBe(86_401);
  expect(load({ POSTERN_MAX_RESUME_FOR: '60' }).resumeFor).toBe(60);
  expect(load({ POSTERN_MAX_RESUME_FOR: '0' }).resumeFor).toBe(0);
});

test('config: a default is compared only with its own valid maximum', () => {
  expect(load({ POSTERN_RESUME_FOR: '7200' }).resumeFor).toBe(7200);
  expect(load({ POSTERN_MAX_EXPIRES_IN: '1', POSTERN_MAX_RESUME_FOR: '0' }).expiresIn).toBe(1);
  expect(issuesOf({ POSTERN_RESUME_FOR: '86401', POSTERN_MAX_RESUME_FOR: 'x' })).toMatchObject([
    { field: 'POSTERN_MAX_RESUME_FOR' },
  ]);
});

test.each([
  ['https://files.example', 'https://files.example'],
  ['https://files.example/', 'https://files.example'],
  ['HTTP://Files.example:8080', 'http://files.example:8080'],
  ['http://[::1]:8080', 'http://[::1]:8080'],
])('config: the public URL %s is accepted', (value, origin) => {
  expect(load({ POSTERN_PUBLIC_URL: value }).publicUrl).toBe(origin);
});

test.each([
  'files.example',
  '//files.example',
  'https:files.example',
  'ftp://files.example',
  'https://',
  'https://files.example/downloads',
  'https://files.example?a',
  'https://files.example#a',
  'https://user@files.example',
  'https://files.example ',
  'https://files\\.example',
])('config: the public URL %s is rejected', (value) => {
  expect(issuesOf({ POSTERN_PUBLIC_URL: value })).toMatchObject([
    { field: 'POSTERN_PUBLIC_URL', expected: expect.stringContaining('https://files.example') },
  ]);
});

test('config: log levels', () => {
  for (const level of ['fatal', 'error', 'warn', 'info', 'debug', 'silent']) {
    expect(load({ POSTERN_LOG_LEVEL: level }).logLevel).toBe(level);
  }
  for (const level of ['INFO', 'trace', 'verbose', 'constructor']) {
    expect(issuesOf({ POSTERN_LOG_LEVEL: level })).toMatchObject([
      {
        field: 'POSTERN_LOG_LEVEL',
        value: `"${level}"`,
        expected: expect.stringContaining('warn'),
      },
    ]);
  }
});

test.each([
  ['0600', 0o600],
  ['0660', 0o660],
  ['660', 0o660],
  ['0666', 0o666],
])('config: the socket mode %s', (text, mode) => {
  expect(load({ POSTERN_SOCKET_MODE: text }).socketMode).toBe(mode);
  expect(loadFile(`${YAML}socket_mode: ${text}`).socketMode).toBe(mode);
  expect(loadFile(`${YAML}socket_mode: "${text}"`).socketMode).toBe(mode);
});

// 0o660 in YAML is the number 432; 0o1232 is the one that would read as 666.
test.each(['0777', '0770', '0640', '0000', '066', 'rw', '0o660', '-660'])(
  'the mode of a socket is not %s',
  (text) => {
    expect(issuesOf({ POSTERN_SOCKET_MODE: text })).toMatchObject([
      { field: 'POSTERN_SOCKET_MODE', expected: 'one of 0600, 0660, 0666' },
    ]);
    expect(fileIssues(`${YAML}socket_mode: ${text}`)).toMatchObject([{ field: 'socket_mode' }]);
  },
);
