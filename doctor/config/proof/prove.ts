import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemReason } from '../../../common/errors.ts';
import type { Directive, Http, Location } from '../context.ts';
import { STATUSES } from './answers.ts';
import { askAll } from './ask.ts';
import { type Copy, copyOf } from './copy.ts';
import { type Free, freeOf } from './free.ts';
import { askServers, type Options, type Proof } from './leaks.ts';
import { createMirror } from './mirror.ts';
import {
  createFolder,
  createKeeper,
  give,
  type Refused,
  removeFolder,
  testConfig,
} from './nginx.ts';
import { chainOf } from './requests.ts';
import { extensionsOf, isInner, namesIn, rootsOf } from './wanted.ts';

const MAX_REJECTED = 60;

/** Asks a copy of nginx for the files. A text: why the copy cannot run. */
export async function prove(http: Http, options: Options): Promise<Proof | string> {
  const { binary, folders, related } = options;
  const top = createFolder();
  const secret = randomBytes(12).toString('hex');
  const umask = process.umask(0o022);
  const keeper = createKeeper(binary, top);
  try {
    const mirror = createMirror(join(top, 'm'), secret, options.isDisk);
    mkdirSync(join(top, 'm'));
    give(join(top, 'm'));
    const extensions = extensionsOf(http);
    const wanted = new Set(related.flatMap(([server]) => chainOf(server, http)));
    const named = namesIn([...wanted]);
    for (const [index, one] of folders.entries()) mirror.protect(one, index, extensions, named);
    for (const [path, isFile] of rootsOf(http, wanted, options.prefix, options.isDisk)) {
      if (isFile && !options.isDisk) {
        mirror.folder(path.replace(/\/[^/]*$/, ''));
        mirror.file(path, '');
      } else mirror.names(path, () => '');
      if (!options.isDisk) mirror.file(join(path, 'index.html'), '');
    }
    writeFileSync(join(top, 'none'), '');
    writeFileSync(join(top, 'control'), secret);
    const dropped = new Set<Directive>();
    const isSeen = options.isDisk && mirror.unseen.size === 0;
    const free = freeOf(http, [...wanted], options.ours, isSeen);
    const copy = writeCopy(http, options, { folder: top, dropped, wanted, free });
    if (typeof copy === 'string') return copy;
    // An nginx without this module compares each `allow` with the address of a Unix socket, and none matches.
    if ([...dropped].some(({ name }) => name === 'real_ip_header'))
      return 'this nginx has no ngx_http_realip_module';
    for (const one of ['nginx.conf', 'none', 'control']) give(join(top, one));
    const backends = STATUSES.filter((one) => one !== '502').map((one) => join(top, `b${one}`));
    const control = join(top, 's');
    if (!(await keeper.start([control, ...backends, ...copy.sockets.values()])))
      return 'the copy did not start';
    if (!(await sends(control, secret))) return 'the copy does not send a file that it must send';
    const found = await askServers(http, copy, mirror, secret, { ...options, free });
    if (!(await sends(control, secret))) return 'the copy no longer sends a file that it must send';
    const hasFiles = folders.map((_, index) =>
      mirror.marked.some(({ folder, isReal }) => folder === index && isReal),
    );
    const hasCompressed =
      !isSeen || mirror.isCompressed() || mirror.links.some(({ path }) => /\.(br|zst)$/.test(path));
    return { ...found, unseen: mirror.unseen, dropped, hasFiles, hasCompressed };
  } catch (error) {
    return systemReason(error);
  } finally {
    process.umask(umask);
    await keeper.stop();
    removeFolder(top);
  }
}

/** Whether nginx sends the file of the doctor's own server block. */
async function sends(socket: string, mark: string): Promise<boolean> {
  const headers = { Host: 'doctor.example' };
  const [reply] = await askAll(socket, [{ socket, method: 'GET', target: '/control', headers }]);
  return reply?.body === mark;
}

/** Writes the copy without the directives that this nginx rejects. */
function writeCopy(
  http: Http,
  { binary, prefix, ours }: Options,
  more: { folder: string; dropped: Set<Directive>; wanted: ReadonlySet<Location>; free: Free },
): Copy | string {
  const { folder, dropped } = more;
  const isPrivate = (server: Location) => isInner(server, http);
  for (let left = MAX_REJECTED; ; left -= 1) {
    const copy = copyOf(http, { ...more, prefix, ours, isPrivate });
    writeFileSync(join(folder, 'nginx.conf'), copy.text);
    const refused = testConfig(binary, folder);
    if (refused === undefined) return copy;
    const rejected = rejectedBy(refused, copy);
    if (rejected.length === 0 || left === 0) return refused.reason.replaceAll(folder, '');
    for (const at of rejected) dropped.add(at);
  }
}

/** The directive of the line that a message names, or those with the variable that it names. */
function rejectedBy({ line, reason }: Refused, { text, lines }: Copy): readonly Directive[] {
  const [, name] = /^unknown "\{?(\w+)\}?" variable/.exec(reason) ?? [];
  const isRejected = (words: string, index: number) =>
    line === undefined
      ? name !== undefined && new RegExp(`\\$\\{?${name}\\b`, 'i').test(words)
      : index === line - 1;
  return text.split('\n').flatMap((words, index) => {
    const at = isRejected(words, index) ? lines[index] : undefined;
    return at === undefined ? [] : [at];
  });
}
