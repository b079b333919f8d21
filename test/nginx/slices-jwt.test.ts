import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../harness/wait.ts';
import { foreigner } from '../support/jwt/issuers.ts';
import { createSigned } from '../support/jwt/signed.ts';
import { download, SLICE, sliced } from '../support/nginx/slices.ts';
import { KEY } from '../support/postern.ts';
import { siteForTest } from '../support/site.ts';

const PATH = '/download/big.bin';
const LONG = randomBytes(SLICE * 24);

/** A site whose downloads take some seconds, and a URL with each kind of JWT. */
async function jwtSite() {
  const app = await foreigner('app', { client: 'test', paths: [{ prefix: '/download/' }] });
  const options = { ...sliced({ outer: 'limit_rate 300k;' }), files: { 'big.bin': LONG } };
  const { jwt } = await createSigned({
    ...{ mounts: options.mounts, issuers: [app.issuer], files: app.file },
    ...{ leeway: 0, now: Date.now },
  });
  const site = await siteForTest({ ...options, jwt });
  async function urlOf(kind: string, seconds: number): Promise<string> {
    if (kind === 'of an issuer') {
      const iat = Math.floor(Date.now() / 1000);
      return `${PATH}?token=${await app.sign({ path: PATH, iat, exp: iat + seconds })}`;
    }
    const more = kind === 'own' ? {} : { revocable: false };
    const asked = { path: PATH, format: 'jwt', expires_in: seconds, ...more };
    return (await site.issue(asked)).url;
  }
  async function begin(url: string) {
    const running = download('HTTP/1.1', site.nginx.url(''), url);
    await expect.poll(() => running.received()).toBeGreaterThan(0);
    return running;
  }
  return { site, urlOf, begin };
}

describe('slices: a running download with a JWT', () => {
  test.each(['own', 'own, not revocable', 'of an issuer'])(
    '%s: goes on if it ends',
    async (kind) => {
      const { site, urlOf, begin } = await jwtSite();
      const url = await urlOf(kind, 2);
      const running = await begin(url);
      const isOver = async () =>
        (await site.ask('GET', url, { Range: 'bytes=0-0' })).status === 401;
      await waitFor(isOver, { what: 'the token to end' });
      expect(running.received()).toBeLessThan(LONG.length);
      expect([await running.end, running.received()]).toEqual(['complete', LONG.length]);
    },
  );

  test.each(['own', 'of an issuer'])('%s: ends if it is revoked', async (kind) => {
    const { site, urlOf, begin } = await jwtSite();
    const url = await urlOf(kind, 60);
    const running = await begin(url);
    const revoked = await site.postern.api.request('/revoke', {
      method: 'POST',
      headers: {
        authorization: `Bearer ${KEY}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: `token=${new URL(url, 'http://files.example').searchParams.get('token')}`,
    });
    expect(revoked.status).toBe(200);
    expect(await running.end).toBe('error');
    expect(running.received()).toBeLessThan(LONG.length);
    expect((await site.ask('GET', url)).status).toBe(401);
  });
});
