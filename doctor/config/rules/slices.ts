import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { tryTo } from '../../../common/errors.ts';
import { sameListen, targetOf } from '../addresses.ts';
import type { Directive, Location } from '../context.ts';
import { directivesOf } from '../proof/requests.ts';
import type { Rule, SiteConfig, Trap } from '../site.ts';
import { linesIn } from './snippets.ts';

/** The inner server block of a download in slices believes who connects to it, so only its outer block may. */
export const slices: Rule = (site) => [
  ...site.slices.inners.flatMap((inner) => [...reached(inner, site)]),
  ...site.slices.outers.flatMap((outer) => [...passed(outer, site)]),
];

const WHY_OPEN =
  'A connection to it skips the log, the limits and the TLS of the outer block. It gets the subject of a token, and can use a token that has ended, from any address.';

const isSocket = ({ args: [address = ''] }: Directive) => address.startsWith('unix:');

const socketOf = ({ names: [name = 'files'] }: Location) =>
  `unix:/run/nginx-slices/${name.replace(/[^\w.-]/g, '')}.sock`;

/** Other ways to an inner block than its outer one. */
function* reached(inner: Location, { http, disk }: SiteConfig): Iterable<Trap> {
  const lines = inner.own('listen');
  const sockets = lines.filter(isSocket);
  for (const at of lines.length > 0 ? lines : [inner]) {
    const place = at === inner ? `in ${inner.titleAt}` : 'instead of this line';
    const fix =
      sockets.length > 0 ? 'delete this line' : `${place}: listen ${socketOf(inner)} backlog=4096;`;
    const seen = `${at.words}: not only nginx can connect to the inner ${inner.titleAt}`;
    if (!isSocket(at)) yield { at, seen, why: WHY_OPEN, fix };
  }
  for (const at of disk ? sockets : []) {
    const folder = dirname(at.args[0]?.slice(5) ?? '');
    const who = whoEnters(folder);
    const seen = `${at.words}: ${who} can enter ${folder}`;
    const fix = 'listen in a folder of the user of nginx with mode 0700: docs/guides/slices.md';
    const accept = 'or, if the group has no other user: # postern-doctor: accept REASON';
    if (who === EACH) yield { at, seen, why: WHY_OPEN, fix };
    if (who === GROUP)
      yield { at, seen, why: WHY_OPEN, fix: `${fix}, ${accept}`, verdict: 'question' };
  }
  const listens = inner.listens.map(sameListen);
  for (const at of http.servers) {
    if (at === inner || !at.listens.some((one) => listens.includes(sameListen(one)))) continue;
    const seen = `${at.titleAt} has the same listen as the inner ${inner.titleAt}`;
    const why =
      'The Host that a requester sends selects one of them, past the outer block of the other.';
    yield { at, seen, why, fix: `write another listen, such as ${socketOf(at)} backlog=4096` };
  }
  for (const at of http.main.own('stream').flatMap(directivesOf)) {
    const seen = `${at.words} in stream leads to the inner ${inner.titleAt}`;
    if (inner.listens.includes(at.args[0] ?? ''))
      yield { at, seen, why: WHY_OPEN, fix: 'delete this line' };
  }
}

const EACH = 'each user of this machine';
const GROUP = 'each user of a group';

/** Who else than its owner can enter a folder that exists. */
function whoEnters(folder: string): typeof EACH | typeof GROUP | undefined {
  if (folder === '/') return EACH;
  const { mode = 0 } = tryTo(() => statSync(folder)) ?? {};
  const above = (mode & 0o011) === 0 ? undefined : whoEnters(dirname(folder));
  return (mode & 0o001) === 0 && above === EACH ? GROUP : above;
}

/** What an outer location sends to its inner block. */
function* passed(outer: Location, { http, slices, snippets }: SiteConfig): Iterable<Trap> {
  const ours = snippets.map(({ file }) => file);
  const own = outer.block.filter(({ file }) => !ours.includes(file));
  const headers = linesIn('slices.conf').flatMap(({ name, args: [header = ''] }) =>
    /^proxy_(set|hide)_header$/.test(name) ? header.toLowerCase() : [],
  );
  for (const at of own) {
    const [header = ''] = at.args;
    if (!/^proxy_(set|pass)_header$/.test(at.name) || !headers.includes(header.toLowerCase()))
      continue;
    const why = 'The inner block gets this header twice, or the requester sees it.';
    yield { at, seen: `${at.words} beside slices.conf`, why, fix: 'delete this line' };
  }
  const inners = slices.inners.filter((inner) => slices.isFront(outer, inner));
  for (const at of own.filter(({ name }) => /^(rewrite|proxy_pass)$/.test(name))) {
    const [url = ''] = at.args;
    const { uri, servers } = targetOf(url, http);
    const isTcp = servers.some((one) => !one.startsWith('unix:'));
    const [inner] = inners.filter((one) => !one.own('listen').some(isSocket));
    const to =
      inner && isTcp ? `http://${socketOf(inner)}` : url.slice(0, -uri.length || undefined);
    const seen = `${at.words} in ${outer.titleAt}`;
    if (at.name === 'rewrite' || (uri !== '' && uri !== '$request_uri')) {
      const why = 'The gate gets another URL than the requester sent, or a decoded one.';
      const fix = `instead of this line: proxy_pass ${to.replace(/:$/, '')};`;
      yield { at, seen, why, fix: at.name === 'rewrite' ? 'delete this line' : fix };
    } else if (inners.length === 0) {
      const why = 'No server block of this configuration listens there: others could.';
      const fix =
        'find out whether only nginx can; if so, write at this line: # postern-doctor: accept REASON';
      yield { at, seen, why, fix, verdict: 'question' };
    } else if (inner && isTcp)
      yield { at, seen, why: WHY_OPEN, fix: `instead of this line: proxy_pass ${to};` };
  }
  const [name = ''] = outer.server.names;
  for (const inner of inners) {
    const [first = ''] = inner.names;
    if (first === name) continue;
    const [at] = inner.own('server_name');
    const isOthers = slices.outers.some(
      (one) => one.server.names[0] === first && slices.isFront(one, inner),
    );
    const line = `server_name ${outer.server.own('server_name')[0]?.args.join(' ') || '""'};`;
    const place = at ? 'instead of this line' : `in ${inner.titleAt}`;
    yield {
      at: isOthers ? outer : (at ?? inner),
      seen: `the inner ${inner.titleAt} has another first name than the outer ${outer.server.titleAt}`,
      why: 'Postern knows a site by the first name of the inner block: a token for it also opens the other site, or none does.',
      fix: isOthers ? `delete ${outer.titleAt}` : `${place}: ${line}`,
    };
  }
}
