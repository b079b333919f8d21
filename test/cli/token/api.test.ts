import { mkdir, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { freePorts } from '../../harness/ports.ts';
import {
  asked,
  at,
  done,
  fails,
  folder,
  gate,
  run,
  useService,
} from '../../support/cli/service.ts';
import { forTest } from '../../support/for-test.ts';
import { KEY, listening } from '../../support/postern.ts';

useService();

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
      const said = await fails(2, ['list', '--subject', 'x', '--key-file', 'bad']);
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
  const serve = async (answer: RequestListener) => at((await forTest(listening(answer))).port);

  test('nothing listens at the address', async () => {
    const [port = 0] = await freePorts(1);
    const said = await list(at(port));
    expect(said).toContain(`${at(port)} does not answer: connection refused`);
    expect(said).toContain('POSTERN_API_LISTEN');
  });

  test('the server closes the connection', async () => {
    const other = await serve((request) => void request.socket.destroy());
    expect(await list(other)).toContain('the server closed the connection');
  });

  test('the address is that of the gate', async () => {
    const issue = ['issue', '--path', '/download/a', '--api', at(gate.port)];
    expect(await list(at(gate.port))).toContain('not_found (404): This is the gate');
    expect(await fails(1, issue)).toContain('method_not_allowed (405): This is the gate');
  });

  // test/client/retries.test.ts has the other answers.
  test.each([
    ['a page', 200, 'text/html', '<h1>\u001b[2Jhello</h1>'],
    [
      'a problem that a terminal would obey',
      400,
      'application/problem+json',
      '{"code":"\\u001b[2J","detail":"\\u009b","errors":[{"pointer":"#/\\u001b","detail":"\\u001b"}]}',
    ],
    ['problems of no shape', 400, 'application/problem+json', '{"code":"x","errors":[null,7]}'],
  ])('the response is %s', async (_, status, type, body) => {
    const other = await serve((_request, response) => {
      response.writeHead(status, { 'content-type': type }).end(body);
    });
    for (const words of [
      ['list', '--subject', 'x'],
      ['revoke', '--subject', 'x'],
      ['issue', '--path', '/a'],
    ]) {
      const said = await fails(1, [...words, '--api', other]);
      expect(said).not.toMatch(/(?!\n)[\p{Cc}]/u);
    }
  });

  test('the response does not end', async () => {
    const megabyte = Buffer.alloc(1 << 20, ' ');
    let sent = 0;
    const other = await serve((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write(megabyte)) sent += 1;
        sent += 1;
      };
      response.on('drain', more);
      more();
    });
    expect(await list(other)).toContain("is not from Postern's API");
    // Data that was sent before the command stopped reading.
    expect(sent).toBeLessThan(100);
  });

  test('token list: the service sends the same page again', async () => {
    const other = await serve((_request, response) => {
      response.end('{"tokens":[],"next_cursor":"1.x"}');
    });
    expect(await list(other)).toContain('same page');
  });
});
