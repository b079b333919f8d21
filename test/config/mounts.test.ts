import { expect, test } from 'vitest';
import { expectIssue, fileIssues, issuesOf, load, loadFile } from './load.ts';

/** An entry of the variable, or one of its fields. */
const AT = expect.stringMatching(/^POSTERN_MOUNTS\[\d\]/);
const TOKEN = `ps_${'a'.repeat(32)}`;

test('config: POSTERN_MOUNTS', () => {
  const text = '/download/=/protected/, files.Example:/media/=/media-files/,_:/my files/=/f/';
  expect(load({ POSTERN_MOUNTS: text }).mounts).toEqual([
    { id: '/download/', prefix: '/download/', internal: '/protected/', passArguments: [] },
    {
      id: 'files.example/media/',
      site: 'files.example',
      prefix: '/media/',
      internal: '/media-files/',
      passArguments: [],
    },
    { id: '_/my files/', site: '_', prefix: '/my files/', internal: '/f/', passArguments: [] },
  ]);
});

test('config: mounts of the file', () => {
  const yaml = `
mounts:
  - public: /download/
    internal: /a=b,c/
    site: Files.example
    path_argument: file
    pass_arguments: [start, end]
`;
  expect(loadFile(yaml).mounts).toEqual([
    {
      id: 'files.example/download/',
      site: 'files.example',
      prefix: '/download/',
      internal: '/a=b,c/',
      pathArgument: 'file',
      passArguments: ['start', 'end'],
    },
  ]);
});

test.each([
  ['/download/', 'one ='],
  ['/download/=/a/=/b/', 'one ='],
  ['/download/=/protected/,', 'one ='],
  ['/download=/protected/', 'end with a slash'],
  ['download/=/protected/', 'start with a slash'],
  ['/download/=protected/', 'start with a slash'],
  ['/download/=/protected', 'end with a slash'],
  ['=/protected/', 'end with a slash'],
  ['/download//a/=/protected/', 'empty segment'],
  ['/download/=/../etc/', 'dot segment'],
  ['/down\\load/=/protected/', 'backslash'],
  ['/down\nload/=/protected/', 'control character'],
  ['/=/protected/', 'every internal prefix is under /'],
  ['/download/=/', 'every public prefix is under /'],
  [`/a/~${TOKEN}/=/protected/`, 'without ~ and a token'],
  ['files.example:8080:/download/=/protected/', 'no port'],
  ['~^www\\.:/download/=/protected/', 'no regular expression'],
  ['.files.example:/download/=/protected/', 'no dot'],
  ['files.example.:/download/=/protected/', 'no dot'],
  [':/download/=/protected/', 'a site'],
  ['bücher.example:/download/=/protected/', 'a site'],
])('config: POSTERN_MOUNTS=%s is an error', (value, expected) => {
  expectIssue(issuesOf({ POSTERN_MOUNTS: value }), AT, expected);
});

test.each(['_', '*.files.example', 'mail.*', '*.a.*', 'xn--bcher-kva.example', '10.0.0.1'])(
  'config: the mount site %s is accepted',
  (site) => {
    expect(load({ POSTERN_MOUNTS: `${site}:/a/=/b/` }).mounts[0]?.site).toBe(site);
  },
);

test('config: a mount folder may begin with ~', () => {
  expect(load({ POSTERN_MOUNTS: `/~web/=/b/~${TOKEN}/` }).mounts).toHaveLength(1);
});

test.each([
  ['/a/=/a/', 'is the same as the public prefix /a/'],
  ['/a/=/a/b/', 'is under the public prefix /a/'],
  ['/a/b/=/a/', 'contains the public prefix /a/b/'],
  ['/a/=/x/,/x/y/=/z/', 'contains the public prefix /x/y/'],
  ['/a/=/x/y/,/x/=/z/', 'is under the public prefix /x/'],
  ['/a/=/x/,s:/x/=/z/', 'is the same as the public prefix /x/'],
  ['s:/a/=/x/,/x/=/z/', 'is the same as the public prefix /x/'],
  ['s:/a/=/x/,S:/x/=/z/', 'is the same as the public prefix /x/'],
])('config: the mounts %s are a loop', (value, expected) => {
  expectIssue(issuesOf({ POSTERN_MOUNTS: value }), AT, expected);
});

test.each([
  ...['/a/=/p/,/b/=/p/sub/', '/b/=/p/sub/,/a/=/p/', '/a/=/p/,/a/b/=/p/sub/'],
  ...['/a/sub/=/p/,/a/=/p/sub/', 's:/a/=/p/,s:/b/=/p/sub/', '/a/=/p/,s:/b/=/p/sub/'],
  ...['s:/a/=/p/,/b/=/p/sub/', 's:/a/=/p/,/a/=/p/sub/'],
])('config: internal prefixes that nest unlike the public ones are an error: %s', (value) => {
  const expected = expect.stringContaining('not below /p/');
  expect(issuesOf({ POSTERN_MOUNTS: value })).toMatchObject([
    { field: AT, value: '"/p/sub/"', expected },
  ]);
});

test.each([
  ...['s:/a/=/x/,t:/x/=/z/', '/a/=/ab/', '/a/=/x/,/a/b/=/x/', '/a/=/x/,s:/a/=/y/'],
  ...['/a/=/p/,/a/sub/=/p/sub/', '/a/=/p/,s:/a/sub/=/p/sub/', 's:/a/=/p/,t:/b/=/p/sub/'],
  ...['/a/=/p/,/b/=/p/', '/a/=/p/,/b/=/p-sub/'],
])('config: the mounts %s are neither a loop nor nested unlike the public ones', (value) => {
  expect(load({ POSTERN_MOUNTS: value }).mounts).toHaveLength(value.split(',').length);
});

test('config: a mount with a path argument has no mount below it', () => {
  const outer = '{ public: /a/, internal: /p/, path_argument: file }';
  const inner = '{ public: /a/sub/, internal: /p/sub/ }';
  const issues = fileIssues(`mounts: [${outer}, ${inner}]`);
  expectIssue(issues, 'mounts[1].internal', 'not below /p/');
});

test('config: every nested internal prefix is reported with the other errors', () => {
  const value = '/a/=/p/,/b/=/p/b/,/c/=/p/c/';
  expect(issuesOf({ POSTERN_MOUNTS: value, POSTERN_EXPIRES_IN: 'x' })).toHaveLength(3);
});

test.each(['/a/=/x/,/a/=/y/', 'S:/a/=/x/,s:/a/=/y/'])(
  'config: a duplicate mount is an error: %s',
  (value) => {
    expect(issuesOf({ POSTERN_MOUNTS: value })).toMatchObject([
      { field: AT, value: '"/a/"', expected: expect.stringContaining('once') },
    ]);
  },
);

test('config: an invalid mount site gets only one error', () => {
  expect(issuesOf({ POSTERN_MOUNTS: '/a/=/x/,.s:/a/=/y/' })).toHaveLength(1);
});

test('config: a mount is required', () => {
  expectIssue(issuesOf({ POSTERN_MOUNTS: '' }), 'POSTERN_MOUNTS', 'at least one mount');
});

test('config: an error in POSTERN_MOUNTS names the entry, the field and its value', () => {
  expectIssue(issuesOf({ POSTERN_MOUNTS: '/a/=/x/,/b/=y' }), 'POSTERN_MOUNTS[1].internal', '');
  expect(issuesOf({ POSTERN_MOUNTS: '/a/=/x/,/b' })).toMatchObject([
    { field: 'POSTERN_MOUNTS[1]', value: '"/b"' },
  ]);
});

const one = (more: string) => `mounts: [{ public: /a/, internal: /b/, ${more} }]`;

test.each([
  ['mounts: []', 'mounts', 'at least one mount'],
  ['mounts: /a/=/b/', 'mounts', 'a list'],
  ['mounts: { public: /a/, internal: /b/ }', 'mounts', 'a list'],
  ['mounts: [/a/=/b/]', 'mounts[0]', 'a mapping'],
  ['mounts: [{ public: /a/ }]', 'mounts[0].internal', '/protected/'],
  ['mounts: [{ internal: /b/ }]', 'mounts[0].public', '/download/'],
  ['mounts: [{ public: [/a/], internal: /b/ }]', 'mounts[0].public', '/download/'],
  ['mounts: [{ public: /a/, internal: 5 }]', 'mounts[0].internal', '/protected/'],
  [one('internl: /c/'), 'mounts[0].internl', 'did you mean internal?'],
  [one('site: 5'), 'mounts[0].site', 'server_name'],
  [one('site: ""'), 'mounts[0].site', 'server_name'],
  [one('path_argument: token'), 'mounts[0].path_argument', 'holds the token'],
  [one('path_argument: "fi le"'), 'mounts[0].path_argument', 'such as file'],
  [one('path_argument: [file]'), 'mounts[0].path_argument', 'such as file'],
  [one('pass_arguments: start'), 'mounts[0].pass_arguments', 'a list'],
  [one('pass_arguments: [a, token]'), 'mounts[0].pass_arguments[1]', 'holds the token'],
  [one('pass_arguments: ["a&b"]'), 'mounts[0].pass_arguments[0]', 'such as file'],
  [one('pass_arguments: [a, b, a]'), 'mounts[0].pass_arguments[2]', 'once'],
  [one('path_argument: a, pass_arguments: [a]'), 'mounts[0].pass_arguments[0]', 'path_argument'],
])('%s', (yaml, field, expected) => {
  expectIssue(fileIssues(yaml), field, expected);
});
