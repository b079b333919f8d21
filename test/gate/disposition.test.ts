import { expect, test } from 'vitest';
import { dispositionOf } from '../../service/gate/headers.ts';
import { issueToken } from '../support/postern.ts';
import { startGate } from './ask-gate.ts';

const grant = { client: 'c', mount: '/', covers: '/a', issuedAt: 0, expiresAt: 1 };

test('Content-Disposition: absent if the grant has none', () => {
  expect(dispositionOf(grant)).toBeUndefined();
});

test('Content-Disposition: the type without a file name', () => {
  expect(dispositionOf({ ...grant, disposition: 'inline' })).toBe('inline');
  expect(dispositionOf({ ...grant, disposition: 'attachment' })).toBe('attachment');
});

test.each([
  ['a.pdf', 'filename="a.pdf"'],
  ['a b;c.pdf', 'filename="a b;c.pdf"'],
  ['a "b".pdf', 'filename="a \\"b\\".pdf"'],
  ['résumé.pdf', 'filename="resume.pdf"; filename*=UTF-8\'\'r%C3%A9sum%C3%A9.pdf'],
  ['50%.pdf', 'filename="50%.pdf"'],
  ['%41.pdf', 'filename="%41.pdf"; filename*=UTF-8\'\'%2541.pdf'],
  ['\u{1f600}.gif', 'filename="_.gif"; filename*=UTF-8\'\'%F0%9F%98%80.gif'],
  ["it's (1)*.txt", 'filename="it\'s (1)*.txt"'],
  ['é\'"%20.txt', 'filename="e\'\\"%20.txt"; filename*=UTF-8\'\'%C3%A9%27%22%2520.txt'],
])('Content-Disposition: %s is an attachment with %s', (filename, expected) => {
  expect(dispositionOf({ ...grant, filename })).toBe(`attachment; ${expected}`);
});

test('Content-Disposition: inline may have a file name', () => {
  expect(dispositionOf({ ...grant, filename: 'a', disposition: 'inline' })).toBe(
    'inline; filename="a"',
  );
});

test.each(['a／b.txt', '／', '＼', '\u0301', '‥', 'a\u202egpj.exe', '℀'])(
  '%j can be sent, in ASCII, and names no folder',
  async (filename) => {
    const { api, authRequest } = await startGate();
    const { url } = await issueToken(api, { path: '/download/a', filename });
    const value = String((await authRequest(url)).headers['postern-disposition']);
    expect(value).toMatch(/^attachment; filename="[\x20-\x7e]+"; filename\*=UTF-8''[\x21-\x7e]+$/);
    const ascii = /filename="((?:\\.|[^"])*)"/.exec(value)?.[1];
    expect(ascii).not.toMatch(/[/\\]|^\.*$/);
  },
);
