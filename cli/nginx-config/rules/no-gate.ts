import type { Rule } from '../finding.ts';

/** A configuration that nobody needs to attack. */
export const noGate: Rule = {
  id: 'no-gate',
  find: ({ http, gates }) =>
    gates.length > 0
      ? []
      : [
          {
            at: http.at,
            seen: 'no location asks Postern',
            why: 'Whatever is served here is served without a token.',
            fix: 'location ^~ /download/ { include postern/protect.conf; }',
          },
        ],
};
