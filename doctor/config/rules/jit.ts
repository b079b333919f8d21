import type { Rule } from '../site.ts';

/** Off is nginx's default. The patterns of the snippets over a long header then take a worker several times as long. */
export const jit: Rule = ({ http, gates }) => {
  const [events] = http.main.own('events');
  const [line] = http.main.own('pcre_jit');
  // Without events, this is not a whole configuration.
  if (events === undefined || gates.length === 0 || line?.args[0] === 'on') return [];
  return [
    {
      at: line ?? events,
      seen: line === undefined ? 'no pcre_jit, which is off by default' : line.words,
      why: 'A tenth more CPU time for each request, and several times as much for one with long headers.',
      fix: 'in nginx.conf, outside of the http block: pcre_jit on;',
    },
  ];
};
