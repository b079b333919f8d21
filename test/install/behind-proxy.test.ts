import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { temporaryFolder, textOf } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';
import { doctor } from '../support/doctor/site.ts';
import { writeFiles } from '../support/files.ts';
import { FRONTS, type FrontName, HOST, startFront } from '../support/install/fronts.ts';
import { needTool } from '../support/need-tool.ts';
import {
  apiListener,
  createPostern,
  issueToken,
  KEY,
  type Listening,
  listening,
} from '../support/postern.ts';
import { type Headers, requestBytes, sendRaw } from '../support/raw.ts';

// docs/guides/behind-another-proxy.md: its proxies in front of its nginx, with two clients.

const CLIENT = '127.0.0.7';
const OTHER = '127.0.0.8';
const TEXT = randomBytes(60_000).toString('base64');
const ODD = "we ird?#ü%41+&;'().txt";

const postern = createPostern();
let files: string;
let gate: Listening;
let api: Listening;
beforeAll(async () => {
  files = await temporaryFolder();
  await mkdir(join(files, 'postern-doctor'));
  await writeFiles(files, {
    'a.txt': TEXT,
    [ODD]: 'an odd name',
    'postern-doctor/canary.txt': randomBytes(1_500).toString('base64'),
  });
  gate = await listening(postern.gate);
  api = await listening(apiListener(postern.api));
});

/** Started by the first test that needs it. */
const started = new Map<FrontName, ReturnType<typeof startFront>>();
afterAll(async () => {
  for (const one of started.values()) {
    await one.then(
      ({ stop }) => stop(),
      () => {},
    );
  }
  await Promise.all([gate.stop(), api.stop(), postern.store.close()]);
  await rm(files, { recursive: true, force: true });
});

interface Asked {
  readonly method?: string;
  readonly headers?: Headers;
  readonly from?: string;
}

async function behind(name: FrontName, context: TestContext) {
  await needTool('nginx', context);
  await needTool(FRONTS[name].tool, context);
  const starting = started.get(name) ?? startFront(name, { gate: gate.port, files });
  started.set(name, starting);
  const { front, nginx } = await starting;
  return {
    front,
    nginx,
    ask: (target: string, { method = 'GET', headers = {}, from = CLIENT }: Asked = {}) =>
      sendRaw(front.port, requestBytes(method, target, headers), method, from),
  };
}

const issue = (body: object) => issueToken(postern.api, { path: '/download/a.txt', ...body });
const range = (bytes: string) => ({ headers: { Range: `bytes=${bytes}` } });

describe.each(Object.keys(FRONTS) as FrontName[])('behind %s', (name) => {
  test('a token with ip opens for its address only, whatever a client claims', async (context) => {
    const { ask, nginx } = await behind(name, context);
    const { url } = await issue({ ip: [CLIENT] });
    expect(await ask(url)).toMatchObject({ status: 200, text: TEXT });
    const twice = [CLIENT, CLIENT];
    const claims: Headers[] = [
      {},
      { 'X-Forwarded-For': CLIENT },
      { 'X-Forwarded-For': twice },
      { 'X-Forwarded-For': twice.join(', ') },
      { 'X-Forwarded-For': `${CLIENT}, 127.0.0.1` },
      { 'X-Real-IP': CLIENT },
      { Forwarded: `for=${CLIENT}` },
      { Connection: 'X-Forwarded-For', 'X-Forwarded-For': CLIENT },
    ];
    for (const headers of claims) {
      const { status } = await ask(url, { from: OTHER, headers });
      expect(status, JSON.stringify(headers)).toBe(403);
    }
    // A client that reaches nginx without the front.
    const line = name.includes('PROXY') ? `PROXY TCP4 ${CLIENT} 127.0.0.1 4000 80\r\n` : '';
    const request = requestBytes('GET', url, { 'X-Forwarded-For': CLIENT });
    const sent = Buffer.concat([Buffer.from(line), request]);
    expect((await sendRaw(nginx.port, sent, 'GET', OTHER)).status).toBe(403);
  });

  test('a single-use token is for one client, which resumes, and has its address', async (context) => {
    const { ask } = await behind(name, context);
    const { id, url } = await issue({ max_uses: 1 });
    const first = await ask(url, range('0-999'));
    const rest = await ask(url, range('1000-'));
    expect([first.status, rest.status, first.text + rest.text === TEXT]).toEqual([206, 206, true]);
    expect((await ask(url, { from: OTHER })).status).toBe(401);
    const shown = await postern.api.request(`/tokens/${id}`, {
      headers: { authorization: `Bearer ${KEY}` },
    });
    expect(await shown.json()).toMatchObject({ requesters: [{ address: CLIENT }] });
  });

  // The doctor asks for ranges, HEAD and gzip, too.
  test('validators are those of nginx, and no compression changes the file', async (context) => {
    const { ask } = await behind(name, context);
    const { url } = await issue({});
    const whole = await ask(url, { headers: { 'Accept-Encoding': 'gzip, br, zstd' } });
    expect(whole.header('content-encoding')).toBeUndefined();
    expect(whole.text).toBe(TEXT);
    const etag = whole.header('etag') ?? '';
    const part = await ask(url, { headers: { Range: 'bytes=5-14', 'If-Range': etag } });
    expect(part).toMatchObject({ status: 206, text: TEXT.slice(5, 15) });
    expect(part.header('content-range')).toBe(`bytes 5-14/${TEXT.length}`);
    expect((await ask(url, { headers: { 'If-None-Match': etag } })).status).toBe(304);
  });

  test('a name with characters that a proxy could decode opens, and nothing else does', async (context) => {
    const { ask, nginx } = await behind(name, context);
    const { url } = await issue({ path: `/download/${ODD}` });
    expect(await ask(url)).toMatchObject({ status: 200, text: 'an odd name' });
    await ask('/download/a%2Bb.txt');
    const log = () => readFile(join(nginx.dir, 'files.log'), 'utf8');
    await expect.poll(log).toContain('"GET /download/a%2Bb.txt HTTP');
    const plain = await ask('/download/a.txt');
    expect([plain.status, JSON.parse(plain.text).code]).toEqual([401, 'missing_token']);
    for (const path of ['/protected/a.txt', '/download/../protected/a.txt', '//protected/a.txt']) {
      expect((await ask(path)).text).not.toContain(TEXT.slice(0, 99));
    }
  });

  test('the button of a page works, and not from another site', async (context) => {
    const { ask } = await behind(name, context);
    const { url } = await issue({ confirm: true });
    const press = (origin: string) =>
      ask(url, { method: 'POST', headers: { Origin: origin, 'Content-Length': '0' } });
    expect((await press('https://evil.example')).status).toBe(403);
    const pressed = await press(`https://${HOST}`);
    const to = pressed.header('location') ?? '';
    expect([pressed.status, to.startsWith(url)]).toEqual([303, true]);
    expect((await ask(to)).status).toBe(200);
  });

  test('HTTP/2 over TLS has ranges', async (context) => {
    const { front } = await behind(name, context);
    const curl = await needTool('curl', context);
    const { url } = await issue({});
    const to = ['--resolve', `${HOST}:${front.tlsPort}:127.0.0.1`];
    const shown = ['--write-out', ' %{http_version} %{http_code}', '--range', '5-14'];
    const words = ['--disable', '-sSk', '--http2', ...to, ...shown];
    const { output } = await tryRun(
      curl.path,
      [...words, `https://${HOST}:${front.tlsPort}${url}`],
      curl.env,
    );
    expect(output).toBe(`${TEXT.slice(5, 15)} 2 206`);
  });

  test('the log of the front has no token', async (context) => {
    const { ask, front } = await behind(name, context);
    const [file, folder, confirm] = await Promise.all([
      issue({}),
      issue({ path: undefined, prefix: '/download/' }),
      issue({ confirm: true }),
    ]);
    const before = (await front.log()).length;
    const lines = async () => (await front.log()).slice(before);
    await ask(file.url);
    await ask(`${folder.url}a.txt`, { headers: { Referer: `http://${HOST}${folder.url}` } });
    await ask(confirm.url, { method: 'POST', headers: { 'Content-Length': '0' } });
    // The page spells it otherwise, but a proxy can accept this, and the token is valid.
    await ask(`/${file.url}`);
    await ask(`${folder.url.replace('/download/', '/Download/')}a.txt`);
    const headers = { Host: HOST.toUpperCase() };
    await ask('/download/the-last-request', { headers });
    // The block for nginx turns the log off.
    if (name !== 'nginx') await expect.poll(lines).toMatch(/(\/download\/\*\*\*[\s\S]*){6}/);
    expect(await lines()).not.toMatch(/ps_|the-last-request/);
  });

  test('the doctor finds nothing through the front', async (context) => {
    const { front } = await behind(name, context);
    // The front passes on only the public prefix, so the doctor gets no --internal.
    const options = ['--files', files];
    const { code, stdout, stderr } = await doctor(
      [`http://${HOST}/`, '--connect', `127.0.0.1:${front.port}`, ...options, '--json'],
      { POSTERN_API: `http://127.0.0.1:${api.port}`, POSTERN_API_KEY: KEY },
    );
    const checks: { id: string; verdict: string; saw: string }[] = JSON.parse(stdout).checks;
    const wrong = checks.filter(({ verdict }) => !['ok', 'skipped'].includes(verdict));
    expect({ code, stderr, wrong }).toEqual({ code: 0, stderr: '', wrong: [] });
    const verdictOf = (wanted: string) => checks.find(({ id }) => id === wanted)?.verdict;
    for (const id of ['ranges', 'cached-delivery', 'address', 'spoofed-address'])
      expect([id, verdictOf(id)]).toEqual([id, 'ok']);
  });
});

test('a front that changes Host: the button of a page is refused', async (context) => {
  const { nginx } = await behind('nginx', context);
  const { url } = await issue({ confirm: true });
  const headers = { Host: '127.0.0.1', Origin: `https://${HOST}`, 'Content-Length': '0' };
  const { status, text } = await sendRaw(nginx.port, requestBytes('POST', url, headers), 'POST');
  expect([status, JSON.parse(text).code]).toEqual([403, 'cross_origin']);
});

test('docs/guides/behind-another-proxy.md has the lines of the PROXY protocol', async () => {
  const page = textOf('docs/guides/behind-another-proxy.md');
  const { nginx } = FRONTS['HAProxy with the PROXY protocol'];
  const lines = [...Object.values(nginx), 'server nginx 127.0.0.1:8080 send-proxy-v2'];
  for (const line of lines) expect(page).toContain(`\`${line}\``);
});
