import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { createSign, storageUrl } from '../../../service/s3/sign.ts';
import { temporaryFolder } from '../../harness/paths.ts';
import { tryRun } from '../../harness/run.ts';
import { findTool } from '../../harness/tools.ts';
import { START_MS } from './storage-site.ts';

const SCRIPT = `
import json, sys
import botocore.session
from botocore.config import Config
asked = json.load(open(sys.argv[1]))
client = botocore.session.get_session().create_client(
    "s3", region_name="eu-central-1", endpoint_url=asked["endpoint"], aws_access_key_id="AKIA",
    aws_secret_access_key=asked["secret"], aws_session_token=asked["token"],
    config=Config(signature_version="s3v4", s3={"addressing_style": asked["style"]}))
for key in asked["keys"]:
    params = {"Bucket": "my-media", "Key": key}
    print(client.generate_presigned_url("get_object", Params=params, ExpiresIn=60))
`;

/** The time in a signed query. */
function timeOf(query: URLSearchParams): number {
  const date = query.get('X-Amz-Date') ?? '';
  return Date.parse(date.replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5'));
}

const inOrder = (url: string) => {
  const [path, query] = url.split('?');
  return [path, ...(query ?? '').split('&').sort()];
};

test.each([
  ['path', 'http://127.0.0.1:9000', undefined],
  ['virtual-host', 'https://s3.eu-central-1.amazonaws.com', 'token/+='],
] as const)(
  'sign: the same URLs as of botocore for 1,000 names, %s style',
  async (style, endpoint, sessionToken) => {
    const python = await findTool('python3-swift');
    const segment = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
      .map((text) => text.replaceAll('/', '+'))
      .filter((text) => text !== '.' && text !== '..');
    const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    const names = fc.sample(path, { numRuns: 1000, seed: 16 });

    const folder = await temporaryFolder();
    onTestFinished(() => rm(folder, { recursive: true }));
    const credentials = {
      accessKeyId: 'AKIA',
      secretAccessKey: 'Qz+secret/of=botocoreZq',
      ...(sessionToken !== undefined && { sessionToken }),
    };
    const [script, asked] = [join(folder, 'sign.py'), join(folder, 'asked.json')];
    await writeFile(script, SCRIPT);
    const request = {
      endpoint,
      style: style === 'path' ? style : 'virtual',
      secret: credentials.secretAccessKey,
      token: sessionToken ?? null,
      keys: names.map((name) => `videos/${name}`),
    };
    await writeFile(asked, JSON.stringify(request));
    const ran = await tryRun(python.path, [script, asked], python.env);
    const theirs = ran.output.trim().split('\n');
    expect([ran.ok, theirs.length]).toEqual([true, 1000]);

    const bucket = { region: 'eu-central-1', bucket: 'my-media', prefix: 'videos/' };
    const location = { ...bucket, endpoint, style };
    for (const [i, name] of names.entries()) {
      const url = theirs[i] ?? '';
      const now = timeOf(new URL(url).searchParams);
      const { object, args } = createSign(location, credentials, () => now)(name);
      expect(inOrder(`${storageUrl(location)}${object}?${args}`)).toEqual(inOrder(url));
    }
  },
  START_MS,
);
