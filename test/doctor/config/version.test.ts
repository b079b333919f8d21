import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { version } from '../../../common/package.ts';
import { diagnoseText } from '../../../doctor/config/diagnose.ts';
import { projectRoot } from '../../harness/paths.ts';

interface Finding {
  readonly rule: string;
  readonly file: string;
  readonly line: number;
  readonly seen: string;
  readonly fix: string;
}

/** What the doctor says about snippets with these first lines. */
function found(files: Readonly<Record<string, string>>): Finding[] {
  const includes = Object.keys(files).map((name) => `include postern/${name}.conf;`);
  const dump = [
    `# configuration file /etc/nginx/nginx.conf:\nhttp { ${includes.join(' ')} }`,
    ...Object.entries(files).map(
      ([name, text]) => `# configuration file /etc/nginx/postern/${name}.conf:\n${text}`,
    ),
  ].join('\n\n');
  const { findings } = JSON.parse(diagnoseText(dump, '-', { json: true }).text);
  return findings.filter(({ rule }: Finding) => rule === 'version');
}

const of = (number: string) =>
  `# Postern: a snippet.\n# postern-version: ${number}\n#\n# Where: …\n`;

test('doctor --config says that snippets are older, once for all of a version', () => {
  expect(found({ http: of(version()), internal: of(version()) })).toEqual([]);
  expect(
    found({ local: '# Your settings\n', http: of('0.0.9'), internal: of('0.0.9') }),
  ).toMatchObject([
    {
      file: '/etc/nginx/postern/http.conf',
      line: 2,
      seen: `this snippet and 1 more: version 0.0.9; Postern: ${version()}`,
      fix: 'postern nginx --upgrade --out /etc/nginx',
    },
  ]);
  expect(found({ http: '# Postern: a snippet without a version.\n' })).toMatchObject([
    { line: 1, seen: `this snippet: no version; Postern: ${version()}` },
  ]);
});

test('doctor --config says that snippets are newer than Postern', () => {
  expect(found({ http: of('0.10.0'), internal: of(version()) })).toMatchObject([
    {
      seen: `this snippet: version 0.10.0; Postern: ${version()}`,
      fix: 'upgrade Postern to 0.10.0',
    },
  ]);
});

test('snippets: each has the version of package.json', () => {
  const folder = join(projectRoot, 'nginx', 'snippets');
  const names = readdirSync(folder).filter((name) => name.endsWith('.conf'));
  expect(names.length).toBeGreaterThan(10);
  for (const name of names) {
    const lines = readFileSync(join(folder, name), 'utf8').split('\n');
    expect(lines[1], `${name}, line 2`).toBe(`# postern-version: ${version()}`);
  }
});
