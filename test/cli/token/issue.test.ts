import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { grantOptions } from '../../../cli/token/command.ts';
import { grantRequest } from '../../../service/api/schema.ts';
import { program } from '../../support/cli/postern.ts';
import {
  asked,
  at,
  done,
  fails,
  issued,
  run,
  service,
  stateOf,
  useService,
} from '../../support/cli/service.ts';
import { KEY, listening } from '../../support/postern.ts';

useService();

/** An API that keeps what it is sent, and the option that names it. */
async function recorded() {
  const bodies: object[] = [];
  const other = await listening(async (request, response) => {
    bodies.push(JSON.parse(Buffer.concat(await request.toArray()).toString()));
    response.end('{"url":"/"}');
  });
  onTestFinished(other.stop);
  return { bodies, api: ['--api', at(other.port)] };
}

describe('token issue', () => {
  test('prints the URL, or with --json the whole response', async () => {
    const url = await done(['issue', '--path', '/download/a b.txt']);
    expect(url).toMatch(/^\/download\/a%20b\.txt\?token=ps_[\w-]{32}\n$/);
    const answer = await issued('--prefix', '/download/');
    expect(answer).toMatchObject({ token_type: 'Bearer', expires_in: 120 });
    expect(answer.url).toBe(`/download/~${answer.access_token}/`);
  });

  test.each([
    [['--path', '/download/a%20b.txt'], ''],
    [['--lines'], '{"path": "/download/a%20b.txt"}'],
  ])('%j shows the warning about a path that looks URL-encoded', async (words, stdin) => {
    const { code, stdout, stderr } = await run(['issue', ...words], { stdin });
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^\/download\/a%2520b\.txt\?/)]);
    expect(stderr).toMatch(/^postern: note: Paths are not URL-encoded: .* %20\n$/);
  });

  test('sends the fields of its options', async () => {
    const { id, expires_in } = await issued(
      ...['--prefix', '/download/x/', '--site', 'files.example', '--expires-in', '60'],
      ...['--subject', 'ada', '--target', '/protected/y/', '--max-uses', '3', '--resume-for', '90'],
      ...['--bind', 'cookie', '--ip', '192.0.2.7', '--ip', '2001:db8::/48', '--filename', 'z'],
      ...['--disposition', 'inline', '--limit-rate', '1000', '--size', '0', '--sender', 'Ada'],
      ...['--cookie', '--format', 'opaque'],
    );
    expect(expires_in).toBe(60);
    expect(await stateOf(id)).toMatchObject({
      ...{ prefix: '/download/x/', site: 'files.example', subject: 'ada', target: '/protected/y/' },
      ...{ max_uses: 3, resume_for: 90, bind: 'cookie', ip: ['192.0.2.7', '2001:db8::/48'] },
      ...{ filename: 'z', disposition: 'inline', limit_rate: 1000, size: 0, sender: 'Ada' },
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
    const { bodies, api } = await recorded();
    for (const more of [[], ['--no-revocable']]) {
      await done(['issue', '--path', '/a', ...api, ...more]);
    }
    expect(bodies).toEqual([{ path: '/a' }, { path: '/a', revocable: false }]);
  });

  test('reads the first line of standard input as the PIN', async () => {
    const { bodies, api } = await recorded();
    const words = ['issue', '--path', '/a', '--confirm', ...api, '--pin'];
    await done(words, { stdin: '4711-A\r\nnot this\n' });
    expect(bodies).toEqual([{ path: '/a', confirm: true, pin: '4711-A' }]);
    expect(await fails(2, words)).toContain('standard input is empty: expected a PIN');
    const argument = await run([...words, '4711']);
    expect([argument.code, bodies.length]).toEqual([2, 1]);
  });

  test('an error has the code and each option', async () => {
    const words = ['issue', '--path', '/nope/a', '--expires-in', '999999', '--ip', '300.1.1.1'];
    const said = await fails(1, words);
    expect(said).toMatch(/^postern: invalid_request \(400\): /);
    for (const option of ['--path', '--expires-in', '--ip'])
      expect(said).toContain(`\n  ${option}: `);
  });

  test.each([
    ...['', '--path /a --prefix /a/', '--path /a --lines', '--lines --subject ada'],
    ...['--path /a --max-uses many', '--path /a --max-uses -1', '--path /a --bind agent'],
    ...['--path /a --api ftp://127.0.0.1', '--path /a --api http://u:s3cret@127.0.0.1'],
    '--path /a --api unix:/run/api.sock',
  ])('a usage error sends no request: %j', async (words) => {
    const said = await run(['issue', ...words.split(' ').filter(Boolean)]);
    expect(said).toMatchObject({ code: 2, stdout: '' });
    expect(said.stderr).toContain('--help');
    expect(said.stderr).not.toContain('s3cret');
    expect(asked).toEqual([]);
  });
});

describe('token issue --lines', () => {
  const lines = (count: number, more = '') =>
    [...Array(count)].map((_, i) => `{"path":"/download/${i}"}\n`).join('') + more;

  test('issues a token for each line, a hundred per request', async () => {
    const out = (await done(['issue', '--lines'], { stdin: lines(234) })).trimEnd().split('\n');
    expect(out).toHaveLength(234);
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
    const stdin = `{"path":"/download/${name}"}\n`.repeat(100);
    expect((await done(['issue', '--lines'], { stdin })).trimEnd().split('\n')).toHaveLength(100);
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

  test.each<[string | Buffer, string, number?]>([
    ['{"path":"/nope/a"}', 'line 151, path: must be under'],
    ['{"path":"/download/a"', 'line 151 is not JSON'],
    ['["/download/a"]', 'line 151: must be an object'],
    ['{"pfad":"/download/a"}', 'line 151'],
    [Buffer.from([0x22, 0xff, 0x22]), 'line 151 is not JSON in UTF-8'],
    [`{"path":"/download/${'x'.repeat(200_000)}"}`, 'content_too_large', 150],
  ])('an invalid line is named, after the earlier batches', async (line, says, issued = 100) => {
    const stdin = Buffer.concat([Buffer.from(lines(150)), Buffer.from(line)]);
    const { code, stdout, stderr } = await run(['issue', '--lines'], { stdin });
    expect(code).toBe(1);
    expect(stdout.trimEnd().split('\n')).toHaveLength(issued);
    expect(stderr).toContain(says);
    expect(stderr).toMatch(new RegExp(`\n${issued} tokens were issued and printed\\.\n$`));
  });
});
