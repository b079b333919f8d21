import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../harness/paths.ts';
import { selfSigned } from '../../support/certificate.ts';
import { KEY } from '../../support/postern.ts';
import { doctor, siteToAttack } from './site.ts';

test('doctor URL --connect: tests a TLS site under its name at another address', async ({
  onTestFinished,
}) => {
  const folder = await temporaryFolder();
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = (name: string) => join(folder, name);
  const { certificate, key } = selfSigned('files.example');
  await writeFile(file('cert.pem'), certificate);
  await writeFile(file('key.pem'), key);
  const site = await siteToAttack(
    {
      mode: 'auth_request',
      server: `listen 127.0.0.1:$front ssl;
        ssl_certificate ${file('cert.pem')}; ssl_certificate_key ${file('key.pem')};`,
    },
    onTestFinished,
  );
  const env = { POSTERN_API: site.api, POSTERN_API_KEY: KEY };
  const trusting = { ...env, NODE_EXTRA_CA_CERTS: file('cert.pem') };
  const words = ['--connect', `127.0.0.1:${site.nginx.ports[1]}`];

  const good = await doctor(['https://files.example/', ...words], trusting);
  expect(good.stdout).toMatch(/^\d+ ✓, 0 ✗, 2 –; /m);
  expect(good.code).toBe(0);

  const unknown = await doctor(['https://files.example/', ...words], env);
  expect([unknown.code, unknown.stderr]).toEqual([
    2,
    expect.stringMatching(/does not answer: \w+\. .*NODE_EXTRA_CA_CERTS/),
  ]);

  const other = await doctor(['https://other.example/', ...words], trusting);
  expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('ALTNAME')]);
});
