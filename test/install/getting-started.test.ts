import { chmod } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { inOverlay } from '../harness/debian/overlay.ts';
import { projectRoot, textOf } from '../harness/paths.ts';
import { selfSigned } from '../support/certificate.ts';
import { fencedBlocks } from '../support/docs/blocks.ts';
import { writeFiles } from '../support/files.ts';
import { folderForTest } from '../support/for-test.ts';
import { needOverlay } from '../support/need-root.ts';
import { needTool } from '../support/need-tool.ts';

const block = (name: string) => `server {
    listen 443 ssl;
    server_name ${name}.example;
    ssl_certificate /mnt/cert.pem;
    ssl_certificate_key /mnt/key.pem;
    location / { return 404 'not here'; }
    location = / { return 200 'the ${name}'; }
}
`;

/** The commands of the page up to the first token, by their names in the script, and how they begin. */
const STEPS = {
  'build.sh': 'npm ci && npm run build',
  'folders.bash': 'sudo mkdir -p /srv/files',
  'site.nginx': 'include postern/http.conf;',
  'reload.bash': 'sudo nginx -t && sudo systemctl reload nginx',
  'start.sh': 'POSTERN_MOUNTS=',
  'issue.sh': 'curl -sS http://127.0.0.1:7301/tokens',
};

test('docs/start/getting-started.md: word for word on a machine with two HTTPS sites behind a link', async (context) => {
  await needOverlay(context);
  await needTool('nginx', context);
  await needTool('curl', context);
  const blocks = fencedBlocks(textOf('docs/start/getting-started.md'));
  const steps = Object.entries(STEPS).map(([name, start]) => {
    const found = blocks.find(({ text }) => text.startsWith(start));
    return [name, `${found?.text}\n`] as const;
  });
  expect(steps.map(([, text]) => text)).not.toContain('undefined\n');
  const folder = await folderForTest();
  const { certificate, key } = selfSigned('files.example');
  await writeFiles(folder, {
    ...Object.fromEntries(steps),
    sites: block('shop') + block('other'),
    'cert.pem': certificate,
    'key.pem': key,
  });
  // The workers of nginx must read it.
  await chmod(folder, 0o755);
  const script = textOf('test/install/getting-started.sh');
  const { ok, output } = await inOverlay(`cd '${projectRoot}'\n${script}`, {
    folder,
    packages: ['nginx', 'curl'],
    env: { PATH: `/usr/local/bin:${process.env.PATH}` },
  });
  expect(ok, output).toBe(true);
  expect(output).toMatch(/^== done$/m);
}, 600_000);
