import type { Listen } from '../../../service/address.ts';
import { isAt, sameListen, targetOf } from '../addresses.ts';
import type { Directive, Location } from '../context.ts';
import { ofGate, type Rule, type SiteConfig, type Trap } from '../site.ts';
import { blocksOf, textValues, WILD } from '../values.ts';
import { othersOf } from './hidden-ways.ts';

/** The default of POSTERN_API_LISTEN. */
const API: Listen = { host: '127.0.0.1', port: 7301 };

/** Blocks that lead past the public location, or to Postern itself. */
export const exposedRules: Readonly<Record<string, Rule>> = {
  shadowed,
  exposed: (site) => [
    ...othersOf(site).flatMap((location) => exposed(location, site)),
    ...streamed(site),
  ],
  inherited: ({ publics, internals }) => [
    ...publics.flatMap(copied),
    ...changed([...publics, ...internals]),
  ],
};

/** Server blocks with the same address and name: nginx uses the first, with a warning. */
function shadowed({ http, publicServers }: SiteConfig): readonly Trap[] {
  return publicServers.flatMap((server) => {
    const above = http.servers.slice(0, http.servers.indexOf(server));
    const listens = server.listens.map(sameListen);
    return above.flatMap((other) => {
      const name = namesOf(other).find((one) => namesOf(server).includes(one));
      const isSame = other.listens.some((one) => listens.includes(sameListen(one)));
      if (name === undefined || !isSame) return [];
      return {
        at: other,
        seen: `${other.titleAt} and ${server.titleAt} have the same listen and server_name ${name || '""'}`,
        why: 'nginx ignores the name in the second block, so the first one answers: it may serve the files without asking the gate.',
        fix: `delete ${other.titleAt}`,
      };
    });
  });
}

function namesOf(server: Location): readonly string[] {
  const names = server.own('server_name').flatMap(({ args }) => args);
  return names.length > 0 ? names.map((name) => name.toLowerCase()) : [''];
}

/** Here the path of the URL begins. */
const PATH_OF = /\$\{?(request_uri|uri|document_uri|is_args)\b.*/s;

/** A location that passes requests of clients to the gate or to the API. */
function exposed(location: Location, site: SiteConfig): readonly Trap[] {
  const { http, snippets } = site;
  if (snippets.some(({ file }) => file === location.file)) return [];
  return blocksOf(location).flatMap((context) =>
    context.own('proxy_pass').flatMap((at) => {
      const text = at.args[0]?.replace(PATH_OF, '/') ?? '';
      const urls = textValues(text, location, http);
      const targets = urls.map((url) => targetOf(url, http));
      // A single URI of the API can be for the pages of an application.
      const isOne = location.modifier === '=' && targets.every(({ uri }) => uri.length > 1);
      const servers = targets.flatMap((one) => one.servers);
      return published(site, at, location, servers, isOne);
    }),
  );
}

/** Server blocks of the stream module, which pass whole connections on. */
function streamed(site: SiteConfig): readonly Trap[] {
  const own = (name: string) => site.http.main.own('stream').flatMap((one) => one.own(name));
  const wordsIn = (kind: string, name: string) =>
    own(kind)
      .filter(({ args }) => args.at(-1) === name)
      .flatMap(({ block = [] }) => block.map(({ args: [word = ''] }) => word));
  return own('server').flatMap((server) =>
    server.own('proxy_pass').flatMap((at) => {
      // A client can choose this machine.
      const name = at.args[0]?.replace(/^\$\w+(?=:\d)/, 'localhost') ?? '';
      const values = wordsIn('map', name);
      const names = name.startsWith('$') && values.length === 0 ? [WILD] : [name, ...values];
      const servers = names.flatMap((one) => [one, ...wordsIn('upstream', one)]);
      return published(site, at, server, servers);
    }),
  );
}

function published(
  site: SiteConfig,
  at: Directive,
  block: Directive,
  servers: readonly string[],
  isOne = false,
): Trap | readonly Trap[] {
  const { listen, apiListen } = site;
  const gates = ofGate(site).flatMap((one) => one.own('server').map(({ args }) => args[0]));
  const isGate = servers.some((one) => (listen && isAt(one, listen)) || gates.includes(one));
  const isApi = !isOne && servers.some((one) => isAt(one, apiListen ?? API));
  // The doctor does not know the value of a variable in the address.
  if (!isGate && !isApi && !servers.join().includes(WILD)) return [];
  const what = isGate ? 'publishes the gate' : isApi ? 'publishes the API' : 'can publish both';
  return {
    at,
    seen: `${at.words} in ${block.words} ${what}`,
    why: isGate
      ? 'A client can send headers that only nginx may send, and gets the decision on another site or address.'
      : 'Everybody can try API keys, and read /metrics.',
    fix: `delete ${block.titleAt}`,
    ...(isGate ? {} : { verdict: 'question' as const }),
  };
}

/** A copy of each request, with the token, goes to another server. */
function copied(gate: Location): Trap | readonly Trap[] {
  const at = gate.turnedOn('mirror');
  if (at === undefined) return [];
  const isOwn = gate.block.includes(at);
  return {
    at,
    seen: `${at.words} applies to ${gate.titleAt}`,
    why: 'nginx sends a copy of each request, with its token, to another server.',
    fix: isOwn ? 'delete this line' : `in ${gate.titleAt}: mirror off;`,
  };
}

/** nginx changes the text of files and pages. */
function changed(locations: readonly Location[]): readonly Trap[] {
  const lines = locations.flatMap((one) => one.effective('sub_filter'));
  return [...new Set(lines)]
    .filter(({ args: [text = ''] }) => !text.startsWith('Index of $postern_index'))
    .map((at) => ({
      at,
      seen: `${at.words} applies to delivered files and to the pages of Postern`,
      why: 'nginx changes HTML: a script that it inserts can read the token in the URL.',
      fix: 'delete this line, and write it in the locations of your own pages',
    }));
}
