import type { Listen } from '../../../service/config/values.ts';
import { isAt, sameListen, targetOf } from '../addresses.ts';
import type { Location } from '../context.ts';
import type { Rule, SiteConfig, Trap } from '../site.ts';
import { blocksOf } from '../variables.ts';
import { othersOf } from './second-url.ts';

/** The default of POSTERN_API_LISTEN. */
const API: Listen = { host: '127.0.0.1', port: 7301 };

/** Blocks that lead past the public location, or to Postern itself. */
export const exposedRules: Readonly<Record<string, Rule>> = {
  shadowed,
  exposed: (site) => othersOf(site).flatMap((location) => exposed(location, site)),
  inherited: ({ gates, internals }) => [
    ...gates.flatMap(copied),
    ...changed([...gates, ...internals]),
  ],
};

/** Server blocks with the same address and name: nginx uses the first, with a warning. */
function shadowed({ http, servers }: SiteConfig): readonly Trap[] {
  return servers.flatMap((server) => {
    const above = http.servers.slice(0, http.servers.indexOf(server));
    const [names, listens] = [namesOf(server), server.listens.map(sameListen)];
    return above.flatMap((other) => {
      const name = namesOf(other).find((one) => names.includes(one));
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

/** A location that passes requests of clients to the gate or to the API. */
function exposed(location: Location, { http, snippets, listen, apiListen }: SiteConfig) {
  if (snippets.some(({ file }) => file === location.file)) return [];
  const gates = http
    .own('upstream')
    .filter(({ args }) => args[0] === 'postern')
    .flatMap((one) => one.own('server').map(({ args }) => args[0]));
  return blocksOf(location).flatMap((block) =>
    block.own('proxy_pass').flatMap((at): Trap | readonly Trap[] => {
      const { servers, uri } = targetOf(at, http) ?? { servers: [], uri: '' };
      const isGate = servers.some((one) => (listen && isAt(one, listen)) || gates.includes(one));
      // A single URI of the API can be for the pages of an application.
      const isOne = location.modifier === '=' && uri !== '' && uri !== '/';
      const isApi = !isOne && servers.some((one) => isAt(one, apiListen ?? API));
      if (!isGate && !isApi) return [];
      return {
        at,
        seen: `${at.words} in ${location.words} publishes ${isGate ? 'the gate' : 'the API'}`,
        why: isGate
          ? 'A client can send headers that only nginx may send, and gets the decision on another site or address.'
          : 'Everybody can try API keys, and read /metrics.',
        fix: `delete ${location.titleAt}`,
        ...(isGate ? {} : { verdict: 'question' as const }),
      };
    }),
  );
}

/** A copy of each request, with the token, goes to another server. */
function copied(gate: Location): readonly Trap[] {
  const at = gate.turnedOn('mirror');
  if (at === undefined) return [];
  const isOwn = gate.block.includes(at);
  return [
    {
      at,
      seen: `${at.words} applies to ${gate.titleAt}`,
      why: 'nginx sends a copy of each request, with its token, to another server.',
      fix: isOwn ? 'delete this line' : `in ${gate.titleAt}: mirror off;`,
    },
  ];
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
