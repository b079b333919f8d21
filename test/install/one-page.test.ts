import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fencedBlocks } from '../docs/blocks.ts';
import { inOverlay } from '../harness/debian/overlay.ts';
import { projectRoot } from '../harness/paths.ts';
import { selfSigned } from '../support/certificate.ts';
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

test('docs/start/one-page.md: word for word on a machine with two HTTPS sites behind a link', async (context) => {
  await needOverlay(context);
  await needTool('nginx', context);
  await needTool('curl', context);
  const blocks = fencedBlocks(
    await readFile(join(projectRoot, 'docs', 'start', 'one-page.md'), 'utf8'),
  );
  const names = blocks.map(({ language }, at) => `${at + 1}.${language}`);
  expect(names).toEqual(['1.bash', '2.nginx', '3.bash', '4.sh', '5.sh']);
  const folder = await folderForTest();
  const { certificate, key } = selfSigned('files.example');
  await writeFiles(folder, {
    ...Object.fromEntries(blocks.map(({ text }, at) => [names[at], `${text}\n`])),
    sites: block('shop') + block('other'),
    'cert.pem': certificate,
    'key.pem': key,
  });
  // For the workers of nginx.
  await chmod(folder, 0o755);
  const script = await readFile(join(projectRoot, 'test', 'install', 'one-page.sh'), 'utf8');
  const { ok, output } = await inOverlay(`cd '${projectRoot}'\n${script}`, {
    folder,
    packages: ['nginx', 'curl'],
    env: { PATH: `/usr/local/bin:${process.env.PATH}` },
  });
  expect(ok, output).toBe(true);
  expect(output).toMatch(/^== done$/m);
}, 600_000);
