import { describe, expect, test } from 'vitest';
import { mount } from '../support/postern.ts';
import { gateSnippet, modes, useSite } from '../support/site.ts';

const passArguments = ['start', 'end'];

describe.each(modes)('arguments: by %s', (mode) => {
  const site = useSite({
    mode,
    mounts: [
      mount('/download/', '/protected/', { passArguments }),
      mount('/by-argument/', '/protected/', { pathArgument: 'file', passArguments }),
    ],
    files: { 'a.mp4': 'file a', 'b c+d.mp4': 'file b', 'sub/a.mp4': 'sub' },
    internal: `
      include postern/internal.conf; alias $files/;
      add_header Args "[$args]" always;`,
    locations: `location ^~ /by-argument/ { ${gateSnippet(mode)} }`,
  });

  async function args(
    target: string,
  ): Promise<[status: number, text: string, args?: string | undefined]> {
    const { status, text, header } = await site.ask('GET', target);
    return status === 200 ? [status, text, header('Args')] : [status, ''];
  }

  test('only the arguments of the mount are passed on, not the token', async () => {
    const { url } = await site.issue({ path: '/download/a.mp4' });
    expect(await args(url)).toEqual([200, 'file a', '[]']);
    const both = await args(`${url}&start=1.5&x=1&end=20`);
    expect(both).toEqual([200, 'file a', '[start=1.5&end=20]']);
    // Their values cannot become another argument.
    const hostile = await args(`${url}&start=1%26token=x%3fy%23`);
    expect(hostile).toEqual([200, 'file a', '[start=1%26token%3Dx%3Fy%23]']);
    const folder = await site.issue({ prefix: '/download/' });
    expect(await args(`${folder.url}a.mp4?start=7`)).toEqual([200, 'file a', '[start=7]']);
  });

  test('a path in an argument', async () => {
    const { url, access_token: token } = await site.issue({ path: '/by-argument/b c+d.mp4' });
    expect(await args(url)).toEqual([200, 'file b', '[]']);
    expect(await args(`${url}&start=3`)).toEqual([200, 'file b', '[start=3]']);
    const form = 'file=b+c%2bd.mp4';
    const spelt = await args(`/by-argument/?${form}&token=${token}&end=9`);
    expect(spelt).toEqual([200, 'file b', '[end=9]']);
  });

  test('an argument cannot select another file', async () => {
    const { access_token: token } = await site.issue({ prefix: '/by-argument/' });
    const ask = (query: string) => site.ask('GET', `/by-argument/${query}`);
    expect((await ask(`?token=${token}&file=sub/a.mp4`)).text).toBe('sub');
    for (const rest of [
      ...['', '&file=', '&file=../a.mp4', '&file=%2e%2e%2fa.mp4', '&file=/a.mp4'],
      ...['&file=sub//a.mp4', '&file=a.mp4%00', '&file=..%5ca.mp4', '&file=a.mp4&file=b.mp4'],
    ]) {
      const answer = await ask(`?token=${token}${rest}`);
      expect(answer.status, rest).toBe(mode === 'X-Accel' ? 400 : 403);
      expect(answer.text).not.toContain('file a');
    }
    const beside = await ask(`a.mp4?token=${token}`);
    expect(beside.status).toBe(mode === 'X-Accel' ? 400 : 403);
  });
});
