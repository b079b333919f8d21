import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest';
import { projectRoot } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';
import { type S3, S3_ACCESS_KEY, S3_REGION, S3_SECRET_KEY, startS3 } from '../harness/s3.ts';
import type { ToolName } from '../harness/tools.ts';
import { forTest } from '../support/for-test.ts';
import { needTool } from '../support/need-tool.ts';
import { KEY } from '../support/postern.ts';
import { type BuiltSite, START_MS, startBuiltSite } from '../support/storage-sites.ts';

// Files that an application writes to an object store with its own library, and that Postern signs.
let s3: S3;
beforeAll(async () => {
  s3 = await startS3({ 'my-media': {} });
}, START_MS);
afterAll(() => s3?.stop());

const DJANGO = `
import json, os
from django.conf import settings
env = os.environ
settings.configure(DJANGO_POSTERN={
    "mount": "/media/", "tokens": "issued", "api": env["POSTERN_API"], "api_key": env["POSTERN_API_KEY"],
})
from django.core.files.base import ContentFile
from django_postern.storage import PosternUrls
from storages.backends.s3 import S3Storage

class PrivateStorage(PosternUrls, S3Storage):
    pass

storage = PrivateStorage(
    bucket_name="my-media", location="private", endpoint_url=env["S3_ENDPOINT"], region_name=env["S3_REGION"],
    access_key=env["AWS_ACCESS_KEY_ID"], secret_key=env["AWS_SECRET_ACCESS_KEY"], addressing_style="path",
)
name = storage.save("docs/Ü b.txt", ContentFile(b"of the application"))
print(json.dumps({"url": storage.url(name), "read": storage.open(name).read().decode()}))
`;

const RAILS = `
require "rails"
require "active_record/railtie"
require "active_storage/engine"
require "activestorage-postern"
require ActiveStorage::Engine.root.join("app/models/active_storage/filename").to_s
settings = {
  service: "PosternS3", bucket: "my-media", endpoint: ENV["S3_ENDPOINT"], region: ENV["S3_REGION"], force_path_style: true,
  mount: "/media/", tokens: "issued", api: ENV["POSTERN_API"], api_key: ENV["POSTERN_API_KEY"]
}
service = ActiveStorage::Service.configure(:private, { private: settings })
service.upload("abc", StringIO.new("of the application"))
url = service.url("abc", expires_in: 60, filename: ActiveStorage::Filename.new("a.txt"))
print({ url: url, read: service.download("abc") }.to_json)
`;

test.for<[string, ToolName, string, string, string, string]>([
  ['django-storages', 'python3-django-storages', DJANGO, 'private/', 'docs/%C3%9C%20b.txt', '-c'],
  ['Active Storage', 'rails', RAILS, '', 'abc', '-e'],
])('%s writes a file to S3, and only a link of Postern opens it', async (given, context) => {
  const [, tool, program, prefix, name, flag] = given;
  const storage = { endpoint: s3.endpoint, ...(prefix && { prefix }) };
  const site = await forTest(startBuiltSite({ storage }));
  const { url, read } = await run(context, site, tool, [flag, program]);
  expect(read).toBe('of the application');
  const link = new URL(url, site.nginx.url('/'));
  expect(link.pathname).toBe(`/media/${name}`);
  const opened = await fetch(link);
  expect([opened.status, await opened.text()]).toEqual([200, 'of the application']);
  expect((await fetch(link.origin + link.pathname)).status).toBe(401);
});

async function run(context: TestContext, site: BuiltSite, name: ToolName, args: string[]) {
  const { path, env } = await needTool(name, context);
  const integrations = ['python', 'django', 'rails/lib'].map((folder) =>
    join(projectRoot, 'integrations', folder),
  );
  const beside = (variable: string) =>
    [...integrations, env[variable]].filter(Boolean).join(delimiter);
  const { ok, output } = await tryRun(path, args, {
    ...env,
    PYTHONPATH: beside('PYTHONPATH'),
    RUBYLIB: beside('RUBYLIB'),
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONUTF8: '1',
    S3_ENDPOINT: s3.endpoint,
    S3_REGION,
    AWS_ACCESS_KEY_ID: S3_ACCESS_KEY,
    AWS_SECRET_ACCESS_KEY: S3_SECRET_KEY,
    // Swift knows no checksum at the end of a body.
    AWS_REQUEST_CHECKSUM_CALCULATION: 'when_required',
    POSTERN_API: `http://127.0.0.1:${site.service.apiPort}`,
    POSTERN_API_KEY: KEY,
  });
  expect(ok, output).toBe(true);
  return JSON.parse(output) as { url: string; read: string };
}
