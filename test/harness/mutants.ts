import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { projectRoot } from './paths.ts';

// Breaks the code that decides who gets a file, one line at a time, and runs the tests that import the changed
// file. A mutant that no test kills is printed, and the exit status is 1. Usage: npm run test:mutants [-- folder]

/** A text that occurs once in service/, and what replaces it. */
type Mutant = readonly [find: string, replace: string];

const MUTANTS: readonly Mutant[] = [
  // Which token is used.
  ['inUrl ?? bearerToken(request.authorization)', 'bearerToken(request.authorization) ?? inUrl'],
  ['if (token !== undefined) return [token];', ''],
  ['return credential && isToken(credential) ? credential : undefined;', 'return credential;'],
  ['slice(0, MAX_COOKIES)', 'slice(0)'],
  ['if (tokenSeen) return undefined;', ''],
  ['if (split.token !== undefined && asked.token !== undefined) return undefined;', ''],
  ['credential.length <= MAX_JWT_LENGTH && ', ''],
  // What a grant covers.
  [
    "if (uri.length > MAX_URI_LENGTH || uri.includes('#') || uri.includes(' ')) return undefined;",
    '',
  ],
  [
    'if (split.token !== undefined && mounts.find(site, split.path) !== mount) return undefined;',
    '',
  ],
  ["if (segments[at]?.replace(/^%7e/i, '~') !== ", 'if (false && segments[at] !== '],
  [
    'if (path !== mount.prefix || asked.path === undefined) return undefined;',
    'asked.path ??= "";',
  ],
  ['if (read.path !== undefined || path === undefined) return undefined;', ''],
  ['encodeURIComponent(passed)', 'passed'],
  ['grant.mount === mount.id &&', ''],
  ['(grant.site === undefined || grant.site === site) &&', ''],
  ['coversPath(grant.covers, path) &&', ''],
  ['!isHidden(grant, path) &&', ''],
  ["method === 'GET' || method === 'HEAD' : grant.confirm === true", 'true : true'],
  ['(grant.ip === undefined || isWithin(address, grant.ip))', 'true'],
  ['isFolder(covers) ? path.startsWith(covers) : path === covers', 'path.startsWith(covers)'],
  ['if (isFolder(path) && !opensFolders) return notCovered;', ''],
  [
    "if (request.serviceWorker || (request.prefetch && grant.uses !== undefined)) return 'prefetch';",
    '',
  ],
  ["if (confirmation && !isSameOrigin(confirmation)) return 'cross_origin';", ''],
  ['if (grant.targetArgs !== undefined && mount.sign !== undefined) return notCovered;', ''],
  ["rawPath.endsWith('/');", 'true;'],
  ['serving.length > 0 && serving.every((mount) => mount.sign === sign)', 'serving.length > 0'],
  // Paths.
  ["if (CONTROL.test(path)) return 'must not contain a control character';", ''],
  ["if (path.includes('\\\\')) return 'must not contain a backslash';", ''],
  ["if (path.endsWith(' ')) return 'must not end in a space';", ''],
  ["if (segment === '') return 'must not have an empty segment';", ''],
  ["if (segment === '.' || segment === '..') return 'must not have a dot segment';", ''],
  [' || ENCODED_SLASH.test(raw)) return undefined;', ') return undefined;'],
  ['fatal: true, ignoreBOM: true', 'fatal: false, ignoreBOM: true'],
  // Uses, PINs and confirmation.
  ['const mayResume = known.some(', 'const mayResume = !known.some('],
  ['admits && known.length < (uses.max ?? Number.POSITIVE_INFINITY)', 'admits'],
  ['(admits || at < resumableUntil(uses, one))', 'true'],
  [
    'return !uses.cookieOnly && address !== undefined && address === known.address;',
    'return address === known.address;',
  ],
  ["if (fetchSite !== undefined) return fetchSite === 'same-origin';", ''],
  ["if (attempts === 0) return 'locked';", ''],
  ['return timingSafeEqual(Buffer.from(pinHmac(token, pin)), Buffer.from(hmac));', 'return true;'],
  ["createHmac('sha256', token)", "createHmac('sha256', '')"],
  ['if (!isPinHmac(pinHmac)) return refused();', ''],
  ["const counts = request.method === 'GET';", 'const counts = false;'],
  ['if (grant.exhausted) return deny(', 'if (false) return deny('],
  ['if (deadline.late) throw deadline.late;\n    const { requester,', 'const { requester,'],
  // What a client may issue, and who it is.
  [
    '(scope.site === undefined || scope.site === site) && path.startsWith(scope.prefix)',
    'path.startsWith(scope.prefix)',
  ],
  ['timingSafeEqual(sha256,', 'true || timingSafeEqual(sha256,'],
  ['if (!mayIssueFor(client, site ?? mount.site, covers)) {', 'if (false) {'],
  ["if (!allowed) errors.add('target',", "if (false) errors.add('target',"],
  ['if (!isNamed(target, client)) add(', 'if (false) add('],
  [
    'mounts.find(site, path) === mount && mayIssueFor(client, site, path)',
    'mayIssueFor(client, site, path)',
  ],
  ['if (tokenSegment(covers, mount.prefix) !== undefined) {', 'if (false) {'],
  ["errors.add('expires_in', maxError(expiresIn, client.maxExpiresIn));", ''],
  // Revoking.
  ['if (grant.client !== client.id) return { id, revoked: false };', ''],
  ['if (owner?.id !== client.id) {', 'if (false) {'],
  ['if (expiresAt > grant.expiresAt) refuseReach(grant, client, mounts);', ''],
  ['if (!grant && !isRevoked) return', 'if (!grant) return'],
  ['grant && grant.subject === verified.grant.subject', 'grant'],
  ['if (owner === undefined || owner === id || admin) return', 'if (true) return'],
  // JWTs.
  ["if (header.crit !== undefined) throw new errors.JOSENotSupported('crit');", ''],
  ['header.alg !== found.alg || isShort(found.verify)', 'false'],
  ['typ: JWT_TYPE, leeway, at', 'leeway, at'],
  ['if (left > 0 && left <= MAX_AGE_MS) return found?.value;', 'if (found) return found.value;'],
  // Redis.
  ['if grant.c ~= ARGV[1] then return false end', ''],
  ['if not counts[1] then return false end', ''],
  ['if not admits or (grant.n and total - forgotten >= grant.n) then return false end', ''],
  ['if grant.A > tonumber(ARGV[1]) then', 'if false then'],
  ['if not grant.P then return false end', ''],
  ['if left <= 0 then return end', ''],
  [
    "redis.call('SET', KEYS[1], cjson.encode(grant), 'NX', 'PX', left)",
    "redis.call('SET', KEYS[1], cjson.encode(grant), 'PX', left)",
  ],
  ['if lasts == -1 or (left and lasts >= left) then return end', ''],
  ["local address = grant.b and '' or ARGV[4]", 'local address = ARGV[4]'],
  // The gate.
  ['pin: more.length > 0 ? undefined : pin,', 'pin,'],
  ["one(headers[requestHeaders.site]) ?? ''", "one(headers.host) ?? ''"],
  // Limits.
  ['if (count >= MAX_OF_CLIENT) return', 'if (false) return'],
  ['if (values < MAX_VALUES) break;', 'break;'],
  ["if (how === 'verified') return { reason: NOT_CHECKED };", ''],
  ['if (forms.length > MAX_DECODINGS) return HIDDEN;', ''],
  // A master that is cut off, files of pages, inherited sockets, copies in browsers.
  ['if (!opened.startsWith(', 'if (false && !opened.startsWith('],
  ['if (LISTEN_PID !== String(pid)) return [];', ''],
  [
    'return seconds > 0 && !cookie && { maxAge: seconds };',
    'return seconds > 0 && { maxAge: seconds };',
  ],
];

const root = resolve(process.argv[2] ?? projectRoot);
const files = readdirSync(join(root, 'service'), { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.ts'),
);

function findFile(find: string): { file: string; text: string } | undefined {
  const found = files
    .map((name) => join(root, 'service', name))
    .map((file) => ({ file, text: readFileSync(file, 'utf8') }))
    .filter(({ text }) => text.includes(find));
  const [one] = found;
  return found.length === 1 && one?.text.indexOf(find) === one?.text.lastIndexOf(find)
    ? one
    : undefined;
}

/** Whether a test fails. The tests without servers come first: they are faster. */
function isKilled(file: string): boolean {
  for (const project of ['unit', 'core', 'servers']) {
    const args = ['vitest', 'related', '--run', '--bail', '1', '--project', project, file];
    if (spawnSync('npx', args, { cwd: root }).status !== 0) return true;
  }
  return false;
}

const survived: string[] = [];
for (const [i, [find, replace]] of MUTANTS.entries()) {
  const found = findFile(find);
  if (found === undefined) {
    survived.push(`not found once: ${find}`);
    continue;
  }
  process.stdout.write(`${i + 1}/${MUTANTS.length} ${find.split('\n')[0]} … `);
  writeFileSync(
    found.file,
    found.text.replace(find, () => replace),
  );
  try {
    const killed = isKilled(found.file);
    process.stdout.write(killed ? 'killed\n' : 'SURVIVED\n');
    if (!killed) survived.push(find);
  } finally {
    writeFileSync(found.file, found.text);
  }
}
process.stdout.write(`${MUTANTS.length - survived.length} of ${MUTANTS.length} were killed\n`);
for (const text of survived) process.stdout.write(`SURVIVED ${text}\n`);
process.exitCode = survived.length === 0 ? 0 : 1;
