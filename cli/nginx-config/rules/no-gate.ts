import type { Rule } from '../finding.ts';

/** A configuration without a gate. */
export const noGate: Rule = {
  id: 'no-gate',
  find: ({ http, gates }) =>
    gates.length > 0
      ? []
      : [
          {
            at: http.at,
            seen: 'no location asks Postern',
            why: 'nginx serves all files of this configuration without a token.',
            fix: 'location ^~ /download/ { include postern/protect.conf; }',
          },
        ],
};
