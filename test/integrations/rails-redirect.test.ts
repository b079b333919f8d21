import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { rails, runRails } from '../../dev/examples/rails.ts';
import { freePorts } from '../harness/ports.ts';
import { describeExample, useExample, userOf } from '../support/example.ts';

interface Sent {
  /** Ruby: the path. Default: the permanent address. */
  readonly path?: string;
  readonly method?: string;
  readonly user?: string;
  /** Ruby: the body of the rule. */
  readonly rule?: string;
  /** Ruby: keywords of redirect_to_file. */
  readonly options?: string;
}

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly error: string | null;
  readonly asked: number;
}

describeExample('rails').each(['signed', 'issued'] as const)('Rails redirect: %s', (tokens) => {
  const site = useExample(rails(tokens));

  /** The responses of the route. Each has the headers, and only a redirect to a file has a token. */
  async function answers(requests: readonly Sent[], more = {}): Promise<Answered[]> {
    const calls = requests.map(({ path, method = 'GET', user, rule = 'true', options = '' }) =>
      [
        `[->(routes, blob) { ${path ?? 'routes.url_helpers.postern_file_path(blob, only_path: true)'} }, "${method}", ${user === undefined ? 'nil' : `"${user}"`},`,
        `->(user, blob) { asked += 1; ${rule} }, { ${options} }]`,
      ].join(' '),
    );
    const printed = await runRails(
      {
        folder: site.folder,
        tokens,
        env: { POSTERN_API: site.api, POSTERN_API_KEY: site.key, ...more },
      },
      `
      require "rack/mock"
      asked = 0
      blob = ActiveStorage::Blob.create_and_upload!(io: StringIO.new("content"), filename: "\\u{DC} b.txt", identify: false)
      results = [${calls.join(',\n')}].map do |path, method, user, rule, options|
        asked = 0
        routes = ActionDispatch::Routing::RouteSet.new
        routes.draw { redirect_to_file "/files", rule, **options }
        path = path.call(routes, blob)
        Postern::Current.reset
        Postern::Current.subject = -> { user }
        env = Rack::MockRequest.env_for("http://shop.example/", method:)
        status, headers, body = routes.call(env.merge(Rails.application.env_config, "PATH_INFO" => path))
        { status:, headers: headers.to_h.transform_keys(&:downcase), body: body.each.to_a.join, asked: }
      rescue StandardError => error
        { status: 500, headers: {}, body: "", error: error.message, asked: }
      end
      puts "JSON:#{results.to_json}"`,
    );
    const all: Answered[] = JSON.parse(printed.split('JSON:').at(-1) ?? '');
    for (const { status, headers, body } of all) {
      // The router finds no route, or the application shows its own page for errors.
      if (status === 500 || headers['x-cascade']) continue;
      const expected = { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' };
      expect(headers).toMatchObject(expected);
      const isLink = headers.location?.includes('token=') ?? false;
      if (!isLink) expect(body).not.toContain('token=');
    }
    return all;
  }

  const opens = ({ headers }: Answered) => headers.location?.includes('token=') ?? false;

  test('a user with permission is redirected to a link, and nginx sends the file', async () => {
    const [get, head, saved, guest] = (await answers([
      { user: 'ada', rule: 'user == "ada" && blob.filename == "\\u{DC} b.txt"' },
      { user: 'ada', method: 'HEAD' },
      { user: 'ada', options: 'download: true, max_uses: 1, bind: "cookie"' },
      {},
    ])) as [Answered, Answered, Answered, Answered];
    expect([get, head, saved, guest].map(({ status }) => status)).toEqual([303, 303, 303, 303]);
    const fetched = ({ headers }: Answered) => {
      const { pathname, search } = new URL(headers.location ?? '');
      return fetch(site.origin + pathname + search);
    };
    expect(await (await fetched(get)).text()).toBe('content');
    const file = await fetched(saved);
    expect(file.headers.get('content-disposition')).toMatch(/^attachment; .*%C3%9C%20b\.txt/);
    expect((await fetched(saved)).status).toBe(401);
    if (tokens === 'signed') {
      expect(decodeJwt(get.headers.location?.split('token=')[1] ?? '').sub).toBe('ada');
    }
  });

  test('without permission: 404, or the login page if nobody is logged in', async () => {
    const denied = ['false', 'raise ActiveRecord::RecordNotFound'];
    const login = 'login: "/login?app=1"';
    const all = await answers([
      ...denied.map((rule) => ({ rule, user: 'eve', options: login })),
      ...denied.map((rule) => ({ rule })),
      ...denied.map((rule) => ({ rule, options: login })),
      {
        rule: 'false',
        options: login,
        path: '"/" + routes.url_helpers.postern_file_path(blob, only_path: true)',
      },
    ]);
    expect(all.map(({ status }) => status)).toEqual([404, 404, 404, 404, 303, 303, 303]);
    for (const one of all.slice(4)) {
      const { origin, pathname, searchParams } = new URL(one.headers.location ?? '');
      expect(origin + pathname).toBe('http://shop.example/login');
      expect(searchParams.get('app')).toBe('1');
      expect(searchParams.get('next')).toMatch(/^\/files\/[^/]+\/%C3%9C%20b\.txt$/);
    }
  });

  test('a rule that raises or returns something odd opens nothing', async () => {
    const odd = ['nil', '1', '"yes"', 'blob', '-> { true }', '[]', '1 / 0'];
    const all = await answers(odd.map((rule) => ({ rule, user: 'ada' })));
    expect(all.map(({ status }) => status)).toEqual(odd.map(() => 500));
    expect(all[0]?.error).toBe('may_read: expected true or false, got NilClass');
  });

  test('a wrong signed ID gets 404 and no rule sees it; other methods get 405', async () => {
    const ids = [
      '"/files/x/a"',
      '"/files/#{blob.id}/a"',
      // Otherwise the routes of Active Storage would open the permanent address without a rule, and the other way round.
      '"/files/#{blob.signed_id}/a"',
      '"/files/%2e%2e/%2e%2e/a"',
      '"/files/https%3A%2F%2Fevil.example/a"',
    ];
    for (const one of await answers(ids.map((path) => ({ path, user: 'ada' })))) {
      expect([one.status, one.asked]).toEqual([404, 0]);
    }
    const methods = ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
    for (const one of await answers(methods.map((method) => ({ method, user: 'ada' })))) {
      expect([one.status, one.headers.allow, one.asked]).toEqual([405, 'GET, HEAD', 0]);
    }
  });

  test('Active Storage opens no permanent address', async () => {
    const ada = userOf(site, 'ada');
    const id = await ada.upload('mine.txt', 'of ada');
    const path = await runRails(
      { folder: site.folder, tokens, env: { POSTERN_API: site.api, POSTERN_API_KEY: site.key } },
      `print Rails.application.routes.url_helpers.postern_file_path(Document.find(${id}).file, only_path: true)`,
    );
    const { headers } = await ada.ask(path);
    const link = new URL(headers.get('location') ?? '', site.origin);
    expect(await (await fetch(link)).text()).toBe('of ada');
    expect((await userOf(site, 'ben').ask(path)).status).toBe(404);
    for (const kind of ['redirect', 'proxy']) {
      const own = path.replace('/files/', `/rails/active_storage/blobs/${kind}/`);
      expect((await ada.ask(own)).status).toBe(404);
    }
    const log = await readFile(join(site.folder, 'app/log/development.log'), 'utf8');
    expect(log).not.toMatch(/[?&]token=|ps_[\w-]{32}|eyJ[\w-]+\.eyJ/);
  });

  test.runIf(tokens === 'issued')('without Postern the answer is 503', async () => {
    const [port = 0] = await freePorts(1);
    const key = 'a-wrong-secret-key';
    for (const env of [
      { POSTERN_API: `http://127.0.0.1:${port}` },
      { POSTERN_API_KEY: key },
      { POSTERN_API: site.origin },
    ]) {
      const [one] = await answers([{ user: 'ada' }], env);
      expect(one).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
      expect(opens(one as Answered)).toBe(false);
    }
    const rule = 'blob.service.instance_variable_set(:@mount, "/none/"); true';
    expect(await answers([{ user: 'ada', rule }])).toMatchObject([{ status: 404 }]);
    const log = await readFile(join(site.folder, 'app/log/development.log'), 'utf8');
    expect(log.match(/Postern issued no token: /g)).toHaveLength(4);
    expect(log).toContain('must be under the prefix of a mount');
    expect(log).not.toContain(site.key);
    expect(log).not.toContain(key);
  });

  test.runIf(tokens === 'issued')(
    'closed_if_down: a page has closed URLs and waits once',
    async () => {
      const printed = await runRails(
        { folder: site.folder, tokens, env: { POSTERN_API: site.api, POSTERN_API_KEY: site.key } },
        `
      build = ->(**more) { ActiveStorage::Service.configure(:x, { x: { service: "Postern", root: Dir.mktmpdir, mount: "/download/", url: "https://files.example", tokens: "issued", api: "${site.api}", api_key: "${site.key}", closed_if_down: true, **more } }) }
      url = ->(service, **more) { service.url("a" * 28, expires_in: 60, filename: ActiveStorage::Filename.new("a"), **more) }
      asked = 0
      Net::HTTP.singleton_class.prepend(Module.new { define_method(:start) { |*given, **more, &block| asked += 1; super(*given, **more, &block) } })
      down = build.call(api: "http://127.0.0.1:1")
      urls = [url.call(down), url.call(down)]
      wrong = build.call(api_key: "a-wrong-key")
      url.call(wrong)
      url.call(wrong)
      strict = begin; url.call(down, closed_if_down: false); rescue Postern::Error => error; error.class end
      puts "JSON:#{{ urls:, asked:, strict:, up: url.call(build.call) }.to_json}"`,
      );
      const { urls, asked, strict, up } = JSON.parse(printed.split('JSON:').at(-1) ?? '');
      const closed = expect.stringMatching(
        /^https:\/\/files\.example\/download\/links\/aa\/aa\/a{28}\.bin$/,
      );
      expect(urls).toEqual([closed, closed]);
      expect(up).toContain('?token=ps_');
      // One for both of the first, one for each that Postern rejects.
      expect([asked, strict]).toEqual([4, 'Postern::Error']);
    },
  );
});
