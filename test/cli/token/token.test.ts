import { describe, expect, test } from 'vitest';
import { stateText } from '../../../cli/token/show.ts';
import {
  ADMIN,
  asked,
  at,
  done,
  fails,
  issued,
  OTHER,
  run,
  stateOf,
  useService,
} from '../../support/cli/service.ts';
import { forTest } from '../../support/for-test.ts';
import { listening } from '../../support/postern.ts';

useService();

describe('token show', () => {
  test('prints the state as a table, with times in UTC', async () => {
    const more = ['--subject', 'ada', '--not-before', '1000000000'];
    const { id } = await issued('--path', '/download/a', '--max-uses', '2', ...more);
    const rows = (await done(['show', '--', id])).trimEnd().split('\n');
    const width = 'requesters_total  '.length;
    expect(rows).toContain(`${'id'.padEnd(width)}${id}`);
    expect(rows).toContain(`${'subject'.padEnd(width)}ada`);
    expect(rows).toContain(`${'uses_left'.padEnd(width)}2`);
    expect(rows).toContain(`${'not_before'.padEnd(width)}2001-09-09T01:46:40Z`);
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
    const other = await forTest(
      listening((request, response) => {
        seen.push(`${request.method} ${request.url}`);
        if (request.method === 'GET') response.end('{"id":"x"}');
        else response.writeHead(204).end();
      }),
    );
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

  test('token revoke: says which JWTs of issuers end', async () => {
    const answer = '{"revoked":2,"signed_before":60}';
    const other = await forTest(listening((_, response) => void response.end(answer)));
    const words = ['revoke', '--subject', 'u', '--api', at(other.port)];
    const signed = 'JWTs that issuers signed before 1970-01-01T00:01:00Z end.';
    expect(await done(words)).toBe(`2 revoked. ${signed}\n`);
    expect(JSON.parse(await done([...words, '--json']))).toEqual(JSON.parse(answer));
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

test('token show: what nginx sent is on one line', () => {
  const delivered = { requests: 3, bytes: 10, size: 10, first: 60, last: 120, whole: true };
  expect(stateText({ id: 'a', path: '/download/a', ip: ['::1', '10.0.0.1'], delivered })).toBe(
    `id         a
path       /download/a
ip         ::1 10.0.0.1
delivered  requests 3, bytes 10, size 10, first 1970-01-01T00:01:00Z, last 1970-01-01T00:02:00Z, whole true
`,
  );
});
