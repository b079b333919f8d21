import { createHash } from 'node:crypto';
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { rails, rake, runRails } from '../../dev/examples/rails.ts';
import { startNginx } from '../harness/nginx.ts';
import { projectRoot } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { openBrowser, PICTURE, playAll } from '../support/browser.ts';
import { docsBlock } from '../support/docs/blocks.ts';
import {
  describeExample,
  expectIssuer,
  NAMES,
  type Revoked,
  TITLE_IN_HEADER,
  testEqualLinks,
  testLinks,
  useExample,
  userOf,
  type Wanted,
  withRsaKey,
} from '../support/example.ts';
import { forTest } from '../support/for-test.ts';

const FILM = await readFile(join(projectRoot, 'dev/demo/film.mp4'));
const PDF = `%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 200 200]>> endobj
trailer <</Root 1 0 R>>
`;
const SCRIPT = "<script>document.title = 'ran'</script>";
const SVG = `<svg xmlns="http://www.w3.org/2000/svg">${SCRIPT}</svg>`;

/** The width of a picture in the page; 0 if the browser does not show it. */
const widthOf = (url: string) => `new Promise((resolve) => {
  const picture = new Image();
  picture.onload = picture.onerror = () => resolve(picture.naturalWidth);
  picture.src = ${JSON.stringify(url)};
})`;

describeExample('rails').each(['signed', 'issued'] as const)('Rails: %s', (tokens) => {
  const site = useExample(withRsaKey(rails(tokens)));
  const ada = () => userOf(site, 'ada');
  const statusOf = async (link: string) => (await fetch(link)).status;

  /** What a Ruby program of the application prints. */
  function ruby(program: string): Promise<string> {
    const env = { POSTERN_API: site.api, POSTERN_API_KEY: site.key };
    return runRails({ folder: site.folder, tokens, env }, program);
  }

  /** The link that a Ruby expression makes. */
  async function linkBy(expression: string): Promise<string> {
    return new URL(await ruby(`print(${expression})`), site.origin).href;
  }

  /** The message of the exception of a Ruby expression. */
  const errorOf = (expression: string) =>
    ruby(`begin; print(${expression}); rescue => error; print error.message; end`);

  /** The URL of a new blob. Its content is its name. */
  const created = (name: string, more: string) =>
    `ActiveStorage::Blob.create_and_upload!(io: StringIO.new(${name}), filename: ${name}, identify: false, ${more}).url`;

  async function uploadAndLink(name: string, content: string | Buffer): Promise<string> {
    return ada().link(await ada().upload(name, content));
  }

  const revokeSubject = (subject: string) =>
    ruby(`puts ActiveStorage::Blob.service.revoke_subject("${subject}").to_json`).then(
      (printed) => JSON.parse(printed) as Revoked,
    );

  test.each(NAMES)('nginx sends the uploaded file %s under its name', async (name) => {
    const response = await fetch(await uploadAndLink(name, `content of ${name}`));
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(`content of ${name}`);
    const disposition = response.headers.get('content-disposition') ?? '';
    // Rails 8 replaces the quotes.
    const title = disposition.replaceAll('-x-', '%22x%22');
    if (name.startsWith('Ü')) expect(title).toContain(TITLE_IN_HEADER);
    const [how, type] = name.endsWith('.pdf')
      ? ['inline', 'application/pdf']
      : ['attachment', 'application/octet-stream'];
    expect(disposition).toMatch(new RegExp(`^${how}; filename`));
    expect(response.headers.get('content-type')).toBe(type);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  });

  test('a link ends at its expiration', async () => {
    const id = await ada().upload('short.txt', 'short');
    const short = await linkBy(`Document.find(${id}).file.url(expires_in: 1.second)`);
    await expect.poll(() => statusOf(short)).toBe(401);
    expect(await statusOf(await ada().link(id))).toBe(200);
  });

  testLinks(site, tokens, revokeSubject);

  if (tokens === 'signed') testEqualLinks(equalLinks, revokeSubject);

  async function equalLinks(cacheFor: number, wanted: readonly Wanted[], key = 'rsa.pem') {
    const settings = {
      ...{ service: 'Postern', root: join(site.folder, 'files'), mount: '/download/' },
      ...{ issuer: 'https://shop.example' },
      ...{ key_file: join(site.folder, key), cache_for: cacheFor },
    };
    const printed = await ruby(`
      require "active_support/testing/time_helpers"
      include ActiveSupport::Testing::TimeHelpers
      input = JSON.parse(<<~'INPUT', symbolize_names: true)
        ${JSON.stringify({ settings, wanted })}
      INPUT
      service = ActiveStorage::Service.configure(:cached, { cached: input[:settings] })
      service.upload("equal", StringIO.new("equal"))
      links = input[:wanted].map do |one|
        travel_to(Time.at(one[:now])) do
          Postern::Current.set(subject: one[:subject], since: one[:since] && Time.at(one[:since])) do
            options = { expires_in: 60, filename: ActiveStorage::Filename.new("a"), **one.slice(:max_uses) }
            service.url("equal", **options)
          end
        end
      end
      puts links.to_json`);
    return (JSON.parse(printed) as string[]).map((link) => new URL(link, site.origin).href);
  }

  test.runIf(tokens === 'signed')('cache_for needs an RSA key', async () => {
    const links = equalLinks(600, [{ now: 1_800_000_000 }], 'app/config/postern.key');
    await expect(links).rejects.toThrow(/cache_for: expected an RSA key/);
  });

  test('rails_blob_url redirects to a link, and no log contains its token', async () => {
    const id = await ada().upload('redirect.txt', 'content');
    const path = await ruby(
      `print Rails.application.routes.url_helpers.rails_blob_path(Document.find(${id}).file, only_path: true)`,
    );
    const { headers } = await ada().ask(path);
    const link = headers.get('location') ?? '';
    expect(await (await fetch(new URL(link, site.origin))).text()).toBe('content');
    // Otherwise the browser would follow this redirect again, after a logout or for the next user.
    expect(headers.get('cache-control')).toBe('no-store');
    // A picture in a page is requested from the controller of Active Storage.
    if (tokens === 'signed') expect(decodeJwt(link.split('token=')[1] ?? '').sub).toBe('ada');
    else expect((await revokeSubject('ada')).revoked).toBeGreaterThan(0);

    const log = await readFile(join(site.folder, 'app/log/development.log'), 'utf8');
    expect(log).toContain('Redirected to [FILTERED]');
    expect(log).toContain('Generated URL for file at key');
    expect(log).not.toMatch(/[?&]token=|ps_[\w-]{32}|eyJ[\w-]+\.eyJ/);
  });

  test('docs/guides/migrate.md: nginx redirects a link of proxy mode to one of Postern', async () => {
    const rewrite = docsBlock('guides/migrate.md', 'rewrite ^/rails');
    const config = ({ port }: { port: number }) =>
      `server { listen 127.0.0.1:${port}; ${rewrite} location / { return 404; } }`;
    const nginx = await forTest(startNginx({ config }));
    const id = await ada().upload('Proxy #1 é.txt', 'content');
    const path = await ruby(
      `print Rails.application.routes.url_helpers.rails_storage_proxy_path(Document.find(${id}).file, only_path: true)`,
    );
    const moved = await fetch(nginx.url(path), { redirect: 'manual' });
    expect(moved.status).toBe(302);
    const { pathname } = new URL(moved.headers.get('location') ?? '');
    expect(pathname).toMatch(/\/blobs\/redirect\//);
    expect(await (await fetch(site.origin + pathname)).text()).toBe('content');
  });

  test('direct uploads and open work as with Disk', async () => {
    const content = 'uploaded directly';
    const blob = {
      filename: 'direct.txt',
      byte_size: content.length,
      checksum: createHash('md5').update(content).digest('base64'),
      content_type: 'text/plain',
    };
    const created = await ada().ask('/rails/active_storage/direct_uploads', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ blob }),
    });
    const { signed_id: signedId, direct_upload: to } = (await created.json()) as {
      signed_id: string;
      direct_upload: { url: string; headers: Record<string, string> };
    };
    const put = await fetch(to.url, { method: 'PUT', headers: to.headers, body: content });
    expect(put.status).toBe(204);

    const body = new URLSearchParams({ file: signedId });
    const { headers } = await ada().ask('/documents', { method: 'POST', body });
    const [, id = ''] = /#document-(\d+)$/.exec(headers.get('location') ?? '') ?? [];
    expect(await (await fetch(await ada().link(id))).text()).toBe(content);
    expect(await ruby(`Document.find(${id}).file.open { |file| print file.read }`)).toBe(content);
  });

  test('a key that leaves the root, an unknown option and public files are exceptions', async () => {
    const service = 'ActiveStorage::Blob.services.fetch(:private)';
    const named = 'expires_in: 60, filename: ActiveStorage::Filename.new("a.txt")';
    expect(await errorOf(`${service}.url("../../../etc/passwd", ${named})`)).toContain(
      'path traversal',
    );
    expect(
      await errorOf(`${service}.url("a" * 28, ${named}, response_cache_control: "x")`),
    ).toContain('Postern: unknown option response_cache_control');
    expect(await errorOf(`${service}.url("a" * 28, ${named.replace('60', 'nil')})`)).toContain(
      'expires_in: expected a number of seconds, got nil',
    );
    const build = (settings: string) =>
      errorOf(
        `ActiveStorage::Service.configure(:x, { x: { service: "Postern", root: "/tmp", ${settings} } })`,
      );
    expect(await build('mount: "/a/", public: true')).toContain('public: expected false');
    expect(await build('mount: "a"')).toContain('mount: expected a prefix such as /download/');
    expect(await build('mount: "/a/", tokens: "issued"')).toContain('tokens: issued needs api_key');
    expect(await build('mount: "/a/", tokens: "issued", api_key: "a", sight: "b"')).toContain(
      'Postern: unknown keyword: :sight',
    );
  });

  test('a long name, with control characters, becomes a legal one', async () => {
    const link = await linkBy(
      created('"\\u{1F600}" * 300 + "\\u0085.PNG"', 'content_type: "image/png"'),
    );
    const response = await fetch(link);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('image/png');
    const name = encodeURIComponent(`${'😀'.repeat(115)}-.PNG`);
    expect(response.headers.get('content-disposition')).toContain(`filename*=UTF-8''${name}`);
  });

  test('a link opens no blob whose key is the name of the link', async () => {
    const png = 'content_type: "image/png"';
    const first = await linkBy(created('"first"', `${png}, key: "abcdef"`));
    const second = await linkBy(created('"second"', `${png}, key: "abcdef.png"`));
    const contents = [first, second].map(async (link) => (await fetch(link)).text());
    expect(await Promise.all(contents)).toEqual(['first', 'second']);
  });

  test('purge removes the blob and its link', async () => {
    const id = await ada().upload('purged.txt', 'content');
    const link = await ada().link(id);
    const file = join(site.folder, 'files', new URL(link).pathname.replace('/download/', ''));
    expect((await lstat(file)).isSymbolicLink()).toBe(true);
    await ruby(`Document.find(${id}).file.purge`);
    await expect(lstat(file)).rejects.toThrow('ENOENT');
    expect(await statusOf(link)).toBe(404);
  });

  test('delete_prefixed removes the links of the blobs, and no others', async () => {
    const keys = ['variants/abc/1', 'variants/abc/2', 'variants/abd/1', 'variants/ab[c]/1'];
    for (const key of keys)
      await linkBy(created('"v"', `content_type: "image/png", key: "${key}"`));
    const left = (prefix: string) =>
      ruby(`service = ActiveStorage::Blob.service; service.delete_prefixed("${prefix}")
        puts Dir.glob(File.join(service.root, "links/va/ri/variants/**/*.png")).map { _1[%r{variants/.*}] }.sort`);
    const files = (...names: number[]) => names.map((at) => `${keys[at]}.png`).join('\n');
    expect((await left('variants/ab[c]')).trim()).toBe(files(0, 1, 2));
    expect((await left('variants/abc/')).trim()).toBe(files(2));
    expect((await left('variants/ab')).trim()).toBe('');
  });

  test('Chromium shows a picture, a PDF and a film, whatever the extension of the upload', async (context) => {
    const browser = await openBrowser('Chromium', context);
    const picture = await uploadAndLink('picture.html', PICTURE);
    const page = await browser.context.newPage();
    await page.authenticate({ username: 'ada', password: '' });
    await page.goto(`${site.origin}/`);
    expect(await page.evaluate(widthOf(picture))).toBe(64);
    expect(await page.evaluate(playAll(await uploadAndLink('film.mp4', FILM)))).toBeGreaterThan(0);
    const pdf = await browser.open(await uploadAndLink('a.pdf', PDF));
    expect(await pdf.evaluate('document.contentType')).toBe('application/pdf');
    expect(await browser.downloads()).toEqual([]);
  });

  test.for([
    ['page.html', `<!doctype html><html>${SCRIPT}`],
    ['page.png', `<!doctype html><html>${SCRIPT}`],
    ['picture.svg', SVG],
    ['page.txt', `<html>${SCRIPT}`],
  ])('Chromium saves %s and runs no script in it', async ([name, content], context) => {
    const browser = await openBrowser('Chromium', context);
    const link = await uploadAndLink(name as string, content as string);
    await expect(browser.open(link)).rejects.toThrow('net::ERR_ABORTED');
    expect((await browser.downloaded()).content.toString()).toBe(content);
    const { headers } = await fetch(link);
    expect(headers.get('content-security-policy')).toBe('sandbox');
  });

  test('Chromium shows a file that is both a picture and a page as a picture', async (context) => {
    const browser = await openBrowser('Chromium', context);
    const gif = `GIF89a\x01\x00\x01\x00\x00\x00\x00;<html>${SCRIPT}`;
    const page = await browser.open(await uploadAndLink('page.html', Buffer.from(gif, 'latin1')));
    expect(await page.evaluate('document.contentType')).toBe('image/gif');
    expect(await page.evaluate('document.title')).not.toBe('ran');
  });

  test.runIf(tokens === 'signed')('no exception shows an API key with two lines', async () => {
    const [port = 0] = await freePorts(1);
    const printed = await ruby(`
      with = { issuer: "a", key_file: "b", api: "http://[::1]:${port}" }
      [nil, "first-secret\\nsecond-secret", "one-key"].each do |api_key|
        ActiveStorage::Blob.service.tokens.class.new(**with, api_key:).revoke_subject("a")
      rescue => error
        puts error.message
      end`);
    const wrong = expect.stringMatching(/^api_key: expected one API key/);
    const down = expect.stringContaining(`connection to ::1:${port}`);
    expect(printed.trim().split('\n')).toEqual([wrong, wrong, down]);
    expect(printed).not.toContain('secret');
  });

  test.runIf(tokens === 'signed')('a missing key is reported with its file', async () => {
    const tokensWith = (file: string) =>
      errorOf(`ActiveStorage::Blob.service.tokens.class.new(issuer: "a", key_file: "${file}").jwk`);
    const expected = 'key_file: expected a private P-256 or RSA key in PEM at';
    expect(await tokensWith('/nonexistent.pem')).toContain(`${expected} /nonexistent.pem`);
    expect(await tokensWith(join(site.folder, 'public.json'))).toContain(expected);
  });

  test.runIf(tokens === 'signed')('postern:issuer prints the entry for postern.yaml', async () => {
    const printed = await rake({ folder: site.folder, tokens }, 'postern:issuer');
    await expectIssuer(printed, site, 'private');
  });

  test.runIf(tokens === 'signed')(
    'postern:issuer prints one entry for services with the same issuer',
    async () => {
      const printed = await ruby(`
      ActiveStorage::Blob
      configs = Rails.configuration.active_storage.service_configurations
      more = configs["private"].merge("mount" => "/more/", "site" => "files.example")
      issued = { "service" => "Postern", "root" => "/tmp", "mount" => "/a/", "tokens" => "issued", "api_key" => "a" }
      configs.merge!("more" => more, "issued" => issued)
      ActiveStorage.service_urls_expire_in = 2.hours
      ActiveStorage::Blob.services = ActiveStorage::Service::Registry.new(configs)
      Rails.application.load_tasks
      Rake::Task["postern:issuer"].invoke`);
      const issuers = { paths: ['/download/', 'files.example:/more/'], max_expires_in: 7200 };
      await expectIssuer(printed, site, 'private', issuers);
    },
  );
});
