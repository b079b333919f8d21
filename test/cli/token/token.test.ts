import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { grantOptions } from '../../../cli/token/command.ts';
import { grantRequest } from '../../../service/api/schema.ts';
import { temporaryFolder } from '../../harness/paths.ts';
import { freePorts } from '../../harness/ports.ts';
import { apiKey, createPostern, KEY, type Listening, listening } from '../../support/postern.ts';
import { postern, program, type With } from '../postern.ts';

const OTHER = 'another-key-for-the-tests';
const ADMIN = 'the-key-of-the-administrator';

let service: Listening;
let gate: Listening;
let folder: string;
const asked: string[] = [];

beforeAll(async () => {
  const apiKeys = [
    ...[apiKey(KEY), apiKey(OTHER, { id: 'other' })],
    apiKey(ADMIN, { id: 'ops', admin: true }),
  ];
  const made = createPostern({ apiKeys });
  const answer = getRequestListener(made.api.fetch);
  service = await listening((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  gate = await listening(made.gate);
  folder = await temporaryFolder();
});
beforeEach(() => {
  asked.length = 0;
});
afterAll(async () => {
  await Promise.all([service.stop(), gate.stop()]);
  await rm(folder, { recursive: true });
});

const at = (port: number) => `http://127.0.0.1:${port}`;

function run(words: readonly string[], { env, ...more }: With = {}) {
  const usual = { POSTERN_API: at(service.port), POSTERN_API_KEY: KEY };
  return postern(['token', ...words], folder, { env: { ...usual, ...env }, ...more });
}

/** Fails if the command failed or wrote to standard error. */
async function done(words: readonly string[], more: With = {}): Promise<string> {
  const { code, stdout, stderr } = await run(words, more);
  expect({ code, stderr }, words.join(' ')).toEqual({ code: 0, stderr: '' });
  return stdout;
}

async function fails(code: number, words: readonly string[], more: With = {}): Promise<string> {
  const ended = await run(words, more);
  expect({ code: ended.code, stdout: ended.stdout }, words.join(' ')).toEqual({ code, stdout: '' });
  expect(ended.stderr).toMatch(/^postern: .*\n/);
  expect(ended.stderr).not.toMatch(/\n {4}at /);
  return ended.stderr;
}

async function issued(...words: string[]) {
  return JSON.parse(await done(['issue', ...words, '--json']));
}

async function stateOf(id: string) {
  return JSON.parse(await done(['show', '--json', '--', id]));
}

describe('token issue', () => {
  test('prints the URL, or with --json the whole response', async () => {
    const url = await done(['issue', '--path', '/download/a b.txt']);
    expect(url).toMatch(/^\/download\/a%20b\.txt\?token=ps_[\w-]{32}\n$/);
    const answer = await issued('--prefix', '/download/');
    expect(answer).toMatchObject({ token_type: 'Bearer', expires_in: 120 });
    expect(answer.url).toBe(`/download/~${answer.access_token}/`);
  });

  test('sends the fields of its options', async () => {
    const { id, expires_in } = await issued(
      ...['--prefix', '/download/x/', '--site', 'files.example', '--expires-in', '60'],
      ...['--subject', 'ada', '--target', '/protected/y/', '--max-uses', '3', '--resume-for', '90'],
      ...['--bind', 'cookie', '--ip', '192.0.2.7', '--ip', '2001:db8::/48', '--filename', 'z'],
      ...['--disposition', 'inline', '--limit-rate', '1000', '--cookie', '--format', 'opaque'],
    );
    expect(expires_in).toBe(60);
    expect(await stateOf(id)).toMatchObject({
      prefix: '/download/x/',
      site: 'files.example',
      subject: 'ada',
      target: '/protected/y/',
      max_uses: 3,
      resume_for: 90,
      bind: 'cookie',
      ip: ['192.0.2.7', '2001:db8::/48'],
      filename: 'z',
      disposition: 'inline',
      limit_rate: 1000,
      cookie: true,
    });
  });

  test('has an option for each field', () => {
    const options = grantOptions().map(({ long }) => long?.replace(/^--(no-)?/, ''));
    const fields = Object.keys(grantRequest.shape).map((field) => field.replaceAll('_', '-'));
    expect(options.sort()).toEqual(fields.sort());
  });

  test('sends revocable only with --no-revocable', async () => {
    const refusal = await fails(1, ['issue', '--path', '/download/a', '--no-revocable']);
    expect(refusal).toContain('--revocable: ');
    const bodies: string[] = [];
    const other = await listening(async (request, response) => {
      bodies.push(Buffer.concat(await request.toArray()).toString());
      response.end('{"url":"/"}');
    });
    onTestFinished(other.stop);
    for (const more of [[], ['--no-revocable']]) {
      await done(['issue', '--path', '/a', '--api', at(other.port), ...more]);
    }
    expect(bodies.map((body) => JSON.parse(body))).toEqual([
      { path: '/a' },
      { path: '/a', revocable: false },
    ]);
  });

  test('an error has the code, each option, and what to do', async () => {
    const words = ['issue', '--path', '/nope/a', '--expires-in', '999999', '--ip', '300.1.1.1'];
    const said = await fails(1, words);
    expect(said).toMatch(/^postern: invalid_request \(400\): /);
    for (const option of ['--path', '--expires-in', '--ip'])
      expect(said).toContain(`\n  ${option}: `);
    expect(said).toMatch(/Correct the command line or the input line\.\n$/);
  });

  test.each([
    [[]],
    [['--path', '/download/a', '--prefix', '/download/']],
    [['--path', '/download/a', '--lines']],
    [['--lines', '--subject', 'ada']],
    [['--path', '/download/a', '--max-uses', 'many']],
    [['--path', '/download/a', '--max-uses', '-1']],
    [['--path', '/download/a', '--bind', 'agent']],
    [['--path', '/download/a', '--api', 'ftp://127.0.0.1']],
    [['--path', '/download/a', '--api', 'http://u:s3cret@127.0.0.1']],
    [['--path', '/download/a', '--api', 'unix:/run/api.sock']],
  ])('a usage error sends no request: %j', async (words) => {
    const said = await run(['issue', ...words]);
    expect(said).toMatchObject({ code: 2, stdout: '' });
    expect(said.stderr).toContain('--help');
    expect(said.stderr).not.toContain('s3cret');
    expect(asked).toEqual([]);
  });
});

describe('token issue --lines', () => {
  const lines = (count: number, more = '') =>
    [...Array(count)].map((_, i) => `{"path":"/download/${i}"}\n`).join('') + more;

  test('issues a token for each line, a thousand per request', async () => {
    const out = (await done(['issue', '--lines'], { stdin: lines(2345) })).trimEnd().split('\n');
    expect(out).toHaveLength(2345);
    for (const [i, url] of out.entries()) {
      expect(url).toMatch(new RegExp(`^/download/${i}\\?token=ps_`));
    }
    expect(asked).toEqual(Array(3).fill('POST /tokens/batch'));
  });

  test('--json prints a line of JSON for each token', async () => {
    const stdin = '{"path":"/download/a"}\r\n\n  {"path":"/download/é","subject":"x"}';
    const out = await done(['issue', '--lines', '--json'], { stdin });
    const answers = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(answers.map(({ url }) => url.replace(/\?.*/, ''))).toEqual([
      '/download/a',
      '/download/%C3%A9',
    ]);
  });

  test('sends no more bytes per request than the API accepts', async () => {
    const name = 'x'.repeat(1900);
    const stdin = `{"path":"/download/${name}"}\n`.repeat(1000);
    expect((await done(['issue', '--lines'], { stdin })).trimEnd().split('\n')).toHaveLength(1000);
    expect(asked).toHaveLength(2);
  });

  test('a closed standard output stops it, and it issues no more tokens', async () => {
    const env = { PATH: process.env.PATH, POSTERN_API: at(service.port), POSTERN_API_KEY: KEY };
    const child = spawn(process.execPath, [program, 'token', 'issue', '--lines'], { env });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
    child.stdin.on('error', () => {});
    child.stdin.end(lines(50_000));
    child.stdout.once('data', () => child.stdout.destroy());
    const [code] = await once(child, 'close');
    expect({ code, said }).toEqual({ code: 1, said: '' });
    expect(asked.length).toBeLessThan(50);
  });

  test('empty input issues nothing', async () => {
    expect(await done(['issue', '--lines'], { stdin: '\n' })).toBe('');
    expect(asked).toEqual([]);
  });

  test.each([
    ['{"path":"/nope/a"}', 'line 1501, path: must be under'],
    ['{"path":"/download/a"', 'line 1501 is not JSON'],
    ['["/download/a"]', 'line 1501: expected a JSON object'],
    ['{"pfad":"/download/a"}', 'line 1501'],
    [Buffer.from([0x22, 0xff, 0x22]), 'line 1501 is not UTF-8'],
    ['x'.repeat(1_100_000), 'line 1501 is longer than'],
  ])('an invalid line is named, and earlier batches are printed', async (line, says) => {
    const stdin = Buffer.concat([Buffer.from(lines(1500)), Buffer.from(line)]);
    const { code, stdout, stderr } = await run(['issue', '--lines'], { stdin });
    expect(code).toBe(1);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1000);
    expect(stderr).toContain(says);
    expect(stderr).toMatch(/1000 tokens were issued and printed\.\n$/);
  });
});

describe('token show', () => {
  test('prints the state as a table, with times in UTC', async () => {
    const { id } = await issued('--path', '/download/a', '--max-uses', '2', '--subject', 'ada');
    const rows = (await done(['show', '--', id])).trimEnd().split('\n');
    expect(rows).toContain(`id          ${id}`);
    expect(rows).toContain('subject     ada');
    expect(rows).toContain('uses_left   2');
    expect(rows.find((row) => row.startsWith('exp '))).toMatch(/ \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });

  test('control characters are escaped', async () => {
    const { id } = await issued('--path', '/download/a\u202eb', '--subject', 'a\u2028b');
    const out = (await done(['show', '--', id])) + (await done(['list', '--subject', 'a\u2028b']));
    expect(out).toContain('a\\u{202e}b');
    expect(out).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}]/u);
  });

  test.each(['ps_0123456789012345678901234567890a', 'short', '../readyz', 'a'.repeat(23)])(
    'an invalid ID is a usage error, and sends no request: %s',
    async (id) => {
      expect(await fails(2, ['show', '--', id])).toContain('22');
      expect(await fails(2, ['revoke', '--', id])).toContain('22');
      expect(asked).toEqual([]);
    },
  );
});

describe('token prolong', () => {
  test('changes when a token ends, and prints its new state', async () => {
    const { id } = await issued('--path', '/download/a');
    const { exp: before } = await stateOf(id);
    const out = await done(['prolong', '--expires-in', '900', '--', id]);
    expect(out).toMatch(/^id +[\w-]{22}\n(?:.*\n)*exp +20\d\d-.*Z\n/);
    const state = JSON.parse(await done(['prolong', '--expires-in', '600', '--json', '--', id]));
    expect(state).toEqual(await stateOf(id));
    expect(state.exp).toBeGreaterThan(before + 400);
  });

  test('an error names the option, or says that there is no such token', async () => {
    const { id } = await issued('--path', '/download/a');
    const said = await fails(1, ['prolong', '--expires-in', '999999', '--', id]);
    expect(said).toMatch(/^postern: invalid_request \(400\): (?:.*\n) {2}--expires-in: /);
    const env = { POSTERN_API_KEY: OTHER };
    const other = await fails(1, ['prolong', '--expires-in', '60', '--', id], { env });
    expect(other).toContain('not_found (404)');
  });
});

describe('token revoke and token list', () => {
  test('token list: is ordered by the end that it prints', async () => {
    const subject = ['--subject', 'ordered'];
    // The service orders by the latest end, that of resuming.
    const ends = [
      ['--path', '/download/2', '--expires-in', '200', '--max-uses', '1', '--resume-for', '9'],
      ['--path', '/download/1', '--expires-in', '100', '--max-uses', '1', '--resume-for', '900'],
      ['--path', '/download/3', '--expires-in', '300'],
    ];
    for (const words of ends) await issued(...words, ...subject);
    const rows = (await done(['list', ...subject])).trimEnd().split('\n');
    const paths = ['/download/1', '/download/2', '/download/3'];
    expect(rows.map((row) => row.split('  ')[2])).toEqual(paths);
    const { tokens } = JSON.parse(await done(['list', ...subject, '--json']));
    expect(tokens.map(({ path }: { path: string }) => path)).toEqual(paths);
  });

  test('token show, token revoke: take an ID that begins with a hyphen after --', async () => {
    const seen: Array<string | undefined> = [];
    const other = await listening((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      if (request.method === 'GET') response.end('{"id":"x"}');
      else response.writeHead(204).end();
    });
    onTestFinished(other.stop);
    const api = ['--api', at(other.port)];
    for (const id of [`-h${'a'.repeat(20)}`, `--${'a'.repeat(20)}`, `-${'-'.repeat(21)}`]) {
      await done(['show', ...api, '--json', '--', id]);
      await done(['revoke', ...api, '--', id]);
      expect(seen.splice(0)).toEqual([`GET /tokens/${id}`, `DELETE /tokens/${id}`]);
    }
    const subject = `-${'s'.repeat(21)}`;
    expect(await done(['revoke', '--subject', subject])).toBe('0 revoked.\n');
  });

  test.each(['-', '--', '-h', '-V'])(
    'token show, token revoke: an ID that begins with %s needs -- before it, and the error says so',
    async (begin) => {
      const id = begin.padEnd(22, 'a');
      for (const command of ['show', 'revoke']) {
        const { code, stdout, stderr } = await run([command, id]);
        expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
        expect(stderr).toContain('put -- before a token ID that begins with a hyphen');
      }
      expect(asked).toEqual([]);
    },
  );

  test('revokes a token by its ID, once', async () => {
    const { id } = await issued('--path', '/download/a');
    expect(await done(['revoke', '--', id])).toBe(`${id} is revoked.\n`);
    expect(await fails(1, ['revoke', '--', id])).toContain('not_found (404)');
    expect(await fails(1, ['show', '--', id])).toContain('another API key issued it');
    const { id: next } = await issued('--path', '/download/a');
    expect(JSON.parse(await done(['revoke', '--json', '--', next]))).toEqual({ revoked: 1 });
  });

  test('does not show the tokens of another API key', async () => {
    const { id } = await issued('--path', '/download/a', '--subject', 'seen');
    const env = { POSTERN_API_KEY: OTHER };
    expect(await fails(1, ['show', '--', id], { env })).toContain('not_found');
    expect(await done(['list', '--subject', 'seen'], { env })).toBe('');
    expect(await done(['revoke', '--subject', 'seen'], { env })).toBe('0 revoked.\n');
  });

  test('lists and revokes all tokens of a subject with several pages', async () => {
    const subject = 'many of them & more';
    const stdin = [...Array(2100)]
      .map((_, i) => JSON.stringify({ path: `/download/${i}`, subject }))
      .join('\n');
    await done(['issue', '--lines'], { stdin });
    asked.length = 0;
    const { tokens } = JSON.parse(await done(['list', '--subject', subject, '--json']));
    expect(new Set(tokens.map(({ path }: { path: string }) => path)).size).toBe(2100);
    expect(asked.length).toBeGreaterThanOrEqual(3);
    const rows = (await done(['list', '--subject', subject])).trimEnd().split('\n');
    expect(rows).toHaveLength(2100);
    expect(rows[0]).toMatch(/^[\w-]{22} {2}\d{4}-\S+Z {2}\/download\/\d+$/);
    const revoked = await done(['revoke', '--subject', subject, '--json']);
    expect(JSON.parse(revoked)).toEqual({ revoked: 2100 });
    expect(await done(['list', '--subject', subject])).toBe('');
  });

  test('lists by path, and all tokens of a client, with their subjects', async () => {
    const env = { POSTERN_API_KEY: ADMIN };
    const { id } = await issued('--path', '/download/ö', '--subject', 'ada', '--expires-in', '60');
    const other = JSON.parse(await done(['issue', '--prefix', '/download/', '--json'], { env }));
    const byPath = await done(['list', '--path', '/download/ö']);
    expect(byPath).toMatch(new RegExp(`^${id}  \\S+Z  /download/ö  subject ada\n$`));
    expect(await done(['list', '--path', '/download/ö', '--subject', 'ada'])).toMatch(/ö\n$/);
    expect(await done(['list', '--client', 'test', '--path', '/download/ö'], { env })).toBe(byPath);
    expect(await done(['list'], { env })).toMatch(new RegExp(`^${other.id}  \\S+Z  /download/\n$`));
    expect(await fails(1, ['list', '--client', 'ops'])).toContain('`admin`');
  });

  test('revokes the tokens of a client', async () => {
    const env = { POSTERN_API_KEY: ADMIN };
    for (const subject of ['ada', 'bob', 'bob']) {
      await done(['issue', '--path', '/download/a', '--subject', subject], {
        env: { POSTERN_API_KEY: OTHER },
      });
    }
    const revoke = (...words: string[]) => done(['revoke', '--client', 'other', ...words], { env });
    expect(await revoke('--subject', 'ada')).toBe('1 revoked.\n');
    expect(JSON.parse(await revoke('--json'))).toEqual({ revoked: 2 });
    expect(await done(['list', '--client', 'other'], { env })).toBe('');
    expect(await fails(1, ['revoke', '--client', 'other'])).toContain('insufficient_scope (403)');
  });

  test('token issue: --not-before is shown as a time', async () => {
    const { id } = await issued('--path', '/download/a', '--not-before', '1000000000');
    expect(await done(['show', '--', id])).toMatch(/^not_before {2}2001-09-09T01:46:40Z$/m);
  });

  test.each([
    [['revoke']],
    [['revoke', 'a'.repeat(22), '--subject', 'x']],
    [['revoke', 'a'.repeat(22), '--client', 'x']],
  ])('neither or both of ID and a selection is a usage error: %j', async (words) => {
    expect(await run(words)).toMatchObject({ code: 2, stdout: '' });
    expect(asked).toEqual([]);
  });
});

describe('API key', () => {
  test('--key-file has priority over POSTERN_API_KEY', async () => {
    await writeFile(join(folder, 'key'), `${KEY}\n`);
    const env = { POSTERN_API_KEY: 'wrong-key-of-16-and-more' };
    await done(['list', '--subject', 'x', '--key-file', 'key'], { env });
    const said = await fails(1, ['list', '--subject', 'x'], { env });
    expect(said).toContain('invalid_client (401)');
    expect(said).toContain('POSTERN_API_KEYS');
    expect(said).not.toContain('wrong-key');
  });

  test('a missing key is a usage error, and sends no request', async () => {
    const env = { POSTERN_API_KEY: '' };
    expect(await fails(2, ['list', '--subject', 'x'], { env })).toContain('--key-file');
    expect(asked).toEqual([]);
  });

  test.each(['s3cret with spaces', 'two-s3cret\nlines', '', 's3crét'])(
    'an invalid key is not printed: %j',
    async (text) => {
      await writeFile(join(folder, 'bad'), text);
      const said = await fails(1, ['list', '--subject', 'x', '--key-file', 'bad']);
      expect(said).toContain('bad: expected an API key');
      expect(said).not.toContain('s3cr');
    },
  );

  test('a key file that cannot be read is an error', async () => {
    await mkdir(join(folder, 'folder'), { recursive: true });
    for (const file of ['none', 'folder']) {
      const said = await fails(1, ['list', '--subject', 'x', '--key-file', file]);
      expect(said).toContain(`--key-file ${file} cannot be read`);
    }
  });

  test('a key is never an option, and the help says why', async () => {
    for (const option of ['--key', '--api-key', '--token']) {
      const ended = await run(['list', '--subject', 'x', option, KEY]);
      expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('unknown option') });
    }
    for (const command of ['', 'issue', 'show', 'prolong', 'revoke', 'list']) {
      const help = await done([command, '--help'].filter(Boolean));
      expect(help).toMatch(/POSTERN_API_KEY or --key-file(.|\n)*\(ps\)/);
    }
  });
});

describe('API errors: the response is not from Postern', () => {
  const list = (api: string) => fails(1, ['list', '--subject', 'x', '--api', api]);

  test('nothing listens at the address', async () => {
    const [port = 0] = await freePorts(1);
    const said = await list(at(port));
    expect(said).toContain(`${at(port)} does not answer: connection refused`);
    expect(said).toContain('POSTERN_API_LISTEN');
  });

  test.each([
    ['at once', false],
    ['once it is asked', true],
  ])('the server closes the connection %s', async (_, reads) => {
    const server = createServer((socket) => {
      if (reads) socket.once('data', () => socket.destroy());
      else socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    // fetch may miss an immediate end of the connection, and would wait indefinitely.
    expect(await list(at(port))).toMatch(/the server closed the connection|no response within/);
  });

  test('the address is that of the gate', async () => {
    const issue = ['issue', '--path', '/download/a', '--api', at(gate.port)];
    expect(await list(at(gate.port))).toMatch(/gate/);
    expect(await fails(1, issue)).toMatch(/method_not_allowed \(405\)\n.*gate/);
  });

  test.each([
    ['a page', 200, 'text/html', '<h1>\u001b[2Jhello</h1>'],
    ['another API', 200, 'application/json', '"hello"'],
    ['an error page', 502, 'text/html', 'Bad gateway'],
    [
      'a problem that a terminal would obey',
      400,
      'application/problem+json',
      '{"code":"\\u001b[2J","detail":"\\u009b","errors":[{"pointer":"#/\\u001b","detail":"\\u001b"}]}',
    ],
    ['problems of no shape', 400, 'application/problem+json', '{"code":"x","errors":[null,7]}'],
    ['a redirect', 307, 'text/plain', ''],
  ])('the response is %s', async (_, status, type, body) => {
    const seen: Array<string | undefined> = [];
    const elsewhere = await listening((request, response) => {
      seen.push(request.headers.authorization);
      response.end('{"tokens":[]}');
    });
    const other = await listening((_request, response) => {
      response.writeHead(status, { 'content-type': type, location: at(elsewhere.port) });
      response.end(body);
    });
    onTestFinished(async () => void (await Promise.all([other.stop(), elsewhere.stop()])));
    for (const words of [
      ['list', '--subject', 'x'],
      ['revoke', '--subject', 'x'],
      ['issue', '--path', '/a'],
    ]) {
      const said = await fails(1, [...words, '--api', at(other.port)]);
      expect(said).not.toMatch(/(?!\n)[\p{Cc}]/u);
    }
    // The key is sent to no other address.
    expect(seen).toEqual([]);
  });

  test('the response does not end', async () => {
    const megabyte = Buffer.alloc(1 << 20, ' ');
    let sent = 0;
    const other = await listening((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write(megabyte)) sent += 1;
        sent += 1;
      };
      response.on('drain', more);
      more();
    });
    onTestFinished(other.stop);
    expect(await list(at(other.port))).toContain("is not from Postern's API");
    // Data that was sent before the command stopped reading.
    expect(sent).toBeLessThan(100);
  });

  test('token list: the service sends the same page again', async () => {
    const other = await listening((_request, response) => {
      response.end('{"tokens":[],"next_cursor":"1.x"}');
    });
    onTestFinished(other.stop);
    expect(await list(at(other.port))).toContain('same page');
  });
});
