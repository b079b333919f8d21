import { randomBytes } from 'node:crypto';
import { AwsClient } from 'aws4fetch';
import { expect, test } from 'vitest';
import { S3_ACCESS_KEY, S3_REGION, S3_SECRET_KEY, startS3 } from '../../harness/s3.ts';
import { forTest } from '../../support/for-test.ts';
import { DAY, download, SLICE, sliced } from '../../support/nginx/slices.ts';
import { mount } from '../../support/postern.ts';
import { siteForTest } from '../../support/site.ts';
import { START_MS, signFor } from '../../support/storage-sites.ts';

test(
  'slices: each slice of an object has its own signature, which the download outlasts, and a replaced object ends it',
  async () => {
    const key = 'videos/big.bin';
    const [old, replaced] = [randomBytes(SLICE * 20), randomBytes(SLICE * 20)];
    const s3 = await forTest(startS3({ media: { [key]: old } }));
    const signed: string[] = [];
    // A signature is valid for 60 seconds, of which 5 are left.
    const sign = signFor(s3, () => Date.now() - 55_000);
    const cut = sliced({
      outer: 'limit_rate 200k;',
      inner: `
        location ^~ /download/ { include postern/protect.conf; }
        location ^~ /s3-media/ {
          include postern/internal-proxy.conf; include postern/inner.conf;
          proxy_set_header Host 127.0.0.1:$s3;
          proxy_pass http://127.0.0.1:$s3/media/videos/$postern_object?$args;
        }`.replaceAll('$s3', String(s3.port)),
    });
    const site = await siteForTest({
      ...cut,
      mounts: [
        mount('/download/', '/s3-media/', {
          downloadTime: DAY,
          sign(name) {
            const file = sign(name);
            signed.push(file.args);
            return file;
          },
        }),
      ],
    });
    const { url, id } = await site.issue({ path: '/download/big.bin' });
    const whole = download('HTTP/1.1', site.nginx.url(''), url);
    expect([await whole.end, whole.received(), signed.length]).toEqual([
      'complete',
      old.length,
      20,
    ]);
    const first = await fetch(`${s3.endpoint}/media/${key}?${signed[0]}`);
    expect(first.status).toBe(403);
    expect(await first.text()).toContain('Request has expired');
    await site.line(id);

    const running = download('HTTP/1.1', site.nginx.url(''), url);
    await expect.poll(() => running.received()).toBeGreaterThan(0);
    const aws = new AwsClient({
      ...{ accessKeyId: S3_ACCESS_KEY, secretAccessKey: S3_SECRET_KEY },
      ...{ region: S3_REGION, service: 's3' },
    });
    const put = await aws.fetch(`${s3.endpoint}/media/${key}`, { method: 'PUT', body: replaced });
    expect(put.status).toBe(200);
    expect(await running.end).toBe('error');
    expect(running.received()).toBeLessThan(old.length);
    expect(await site.nginx.errorLog()).toContain('etag mismatch in slice response');
  },
  START_MS,
);
