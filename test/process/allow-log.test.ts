import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { logDecision } from '../../service/gate/report.ts';
import { createAllowLog, createLog } from '../../service/process/log.ts';
import { grantAt, newId } from '../store/grants.ts';

afterEach(() => vi.useRealTimers());

/** Text of a client: quotes, control characters and line separators. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({
    unit: fc.constantFrom('"', '\\', '\n', '\u0000', '\u2028', '\u007f', 'é', '😀', 'a', '}'),
  }),
);

test('log: the line of an "allow" decision is the line of pino, whatever the client sent', () => {
  vi.useFakeTimers({ now: 1.8e12 });
  const header = fc.option(text, { nil: undefined });
  fc.assert(
    fc.property(
      text,
      header,
      header,
      header,
      header,
      fc.double({ min: 0, max: 2000, noNaN: true }),
      (path, subject, address, method, site, ms) => {
        const lines: string[] = [];
        const write = (line: string) => void lines.push(line);
        const output = { write, writeLater: write, flush: async () => true, flushSync() {} };
        const log = createLog('info', output);
        const grant = grantAt(Date.now(), {
          covers: '/download/',
          ...(subject !== undefined && { subject }),
        });
        const decision = {
          allow: true,
          id: newId(),
          grant,
          path,
          target: '/',
          args: '',
          reuseFor: 0,
        } as const;
        const headers = {
          ...(address !== undefined && { 'x-real-ip': address }),
          ...(method !== undefined && { 'x-original-method': method }),
          ...(site !== undefined && { 'postern-site': site }),
        };
        logDecision({ log, logAllow: createAllowLog(output) }, headers, decision, ms);
        logDecision(
          { log, logAllow: (fields) => log.info(fields, 'decision') },
          headers,
          decision,
          ms,
        );
        expect(lines).toHaveLength(2);
        expect(lines[0]).toBe(lines[1]);
        expect(lines[0]?.indexOf('\n')).toBe((lines[0]?.length ?? 0) - 1);
      },
    ),
    { numRuns: 2000 },
  );
});
