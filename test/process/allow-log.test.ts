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
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const output = { write, writeLater: write, flush: async () => true, flushSync() {} };
  const log = createLog('info', output);
  const logAllow = createAllowLog(output);
  const optional = { requiredKeys: [] };
  const headersOf = { 'x-real-ip': text, 'x-original-method': text, 'postern-site': text };
  fc.assert(
    fc.property(
      text,
      fc.record({ subject: text }, optional),
      fc.record(headersOf, optional),
      fc.double({ min: 0, max: 2000, noNaN: true }),
      fc.nat(2),
      (path, subject, headers, ms, later) => {
        vi.setSystemTime(Date.now() + later);
        lines.length = 0;
        const grant = grantAt(Date.now(), { covers: '/download/', ...subject });
        const reply = { target: '/', args: '', reuseFor: 0 };
        const decision = { allow: true, id: newId(), grant, path, ...reply } as const;
        const byPino = (fields: object) => log.info(fields, 'decision');
        logDecision({ log, logAllow }, headers, decision, ms);
        logDecision({ log, logAllow: byPino }, headers, decision, ms);
        expect(lines).toHaveLength(2);
        expect(lines[0]).toBe(lines[1]);
        expect(lines[0]?.indexOf('\n')).toBe((lines[0]?.length ?? 0) - 1);
      },
    ),
    { numRuns: 2000 },
  );
});
