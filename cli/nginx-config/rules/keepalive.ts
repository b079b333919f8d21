import { named } from '../directive.ts';
import type { Rule } from '../finding.ts';
import { own } from '../scope.ts';
import { isQuestion } from '../site.ts';

/** An upstream of the gate that opens a connection for each request. */
export const keepalive: Rule = {
  id: 'keepalive',
  find({ http, gates, servers }) {
    const questions = servers.flatMap(({ locations }) => locations.filter(isQuestion));
    const asking = [...questions, ...gates.map(({ location }) => location)];
    const urls = asking.flatMap((location) => own(location, 'proxy_pass'));
    const hosts = new Set(urls.map(({ args }) => /^https?:\/\/([^/:]+)/.exec(args[0] ?? '')?.[1]));
    return own(http, 'upstream')
      .filter(
        ({ args, block = [] }) => hosts.has(args[0]) && named(block, 'keepalive').length === 0,
      )
      .map((at) => ({
        at,
        seen: `upstream ${at.args[0]} without keepalive`,
        why: 'nginx opens a connection to the gate for each request, and runs out of ports under load.',
        fix: 'keepalive 256;',
      }));
  },
};
