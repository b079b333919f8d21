import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run as runProgram } from '../../harness/run.ts';
import { machine, notes, SITE, snapshot, WORDS } from '../../support/cli/machine.ts';
import { DAY } from '../../support/nginx/slices.ts';

// `postern nginx --out --slices` beside the server block of an operator.

const HTTP = 'conf.d/00-postern.conf';
const HSTS = 'add_header Strict-Transport-Security "max-age=1" always;';
const OWN = `server { listen unix:a.sock; server_name files.example www.files.example; access_log off; ${HSTS} }`;

async function sliced() {
  const site = await machine(OWN, { POSTERN_CONFIG: 'postern.yaml' });
  const mounts = [{ public: '/download/', internal: '/protected/', download_time: DAY }];
  await site.write('postern.yaml', JSON.stringify({ mounts }));
  const sockets = join(site.folder, 'sockets');
  return { ...site, sockets, make: () => site.run([...WORDS, '--slices', sockets, '--force']) };
}

test('nginx --slices: without the folder of the sockets writes nothing, and names the command for it', async () => {
  const { folder, sockets, make, read } = await sliced();
  const before = await snapshot(folder);
  const { code, stdout, stderr } = await make();
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(await snapshot(folder)).toEqual(before);
  const [, words = ''] = /: install (-d -m \d+) -o www-data (\S+)\n$/.exec(stderr) ?? [];
  // The user of the tests need not be root.
  await runProgram('install', [...words.split(' '), sockets]);

  const done = await make();
  const at = `${folder}/sites-enabled/shop`;
  expect([done.code, notes(done)]).toEqual([
    0,
    [
      `let only nginx's user enter ${sockets}, also after a boot: see nginx/examples/slices.conf`,
      `add this line to the server block of ${at}:1: include ${SITE};`,
    ],
  ]);
  // The operator's header stays in the outer block, and so is not sent twice.
  expect(await read(SITE)).toContain('include postern/slices.conf;');
  for (const file of [SITE, HTTP]) expect(await read(file)).not.toContain('Strict-Transport');
  expect(await read(HTTP)).toContain(`listen unix:${sockets}/files.example.sock backlog=4096;`);
});

test('nginx --slices: says who can enter the folder', async () => {
  const { folder, sockets, make } = await sliced();
  await mkdir(sockets);
  await chmod(sockets, 0o750);
  await chmod(folder, 0o755);
  expect(notes(await make())[0]).toContain(
    `: each user of a group can enter ${sockets}. To fix it: `,
  );
});
