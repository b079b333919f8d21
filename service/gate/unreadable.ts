import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { deny } from '../domain/decision.ts';
import type { RecordDecision } from '../metrics/metrics.ts';
import { subrequestDenial } from './answer.ts';
import { requestHeaders } from './headers.ts';

/** An error of Node's HTTP parser, with the data that it read last. */
interface ParseError extends NodeJS.ErrnoException {
  readonly rawPacket?: Buffer;
}

interface UnreadableDependencies {
  readonly recordDecision: RecordDecision;
  readonly log: Logger;
}

const REQUEST_ID = new RegExp(`^${requestHeaders.requestId}: ([0-9a-f]{32})\r$`, 'im');

/**
 * Denies a request that Node's parser rejects, such as control characters in header values, which nginx
 * passes on. Node's own 400 would be a 503 for the client. The connection is closed, so the following
 * data cannot be read as another request.
 */
export function createDenyUnreadable({ recordDecision, log }: UnreadableDependencies) {
  const decision = deny('invalid_request');
  const headers = [...subrequestDenial(decision).headers, 'Connection', 'close'];
  const lines = headers.map((text, i) => text + (i % 2 === 0 ? ': ' : '\r\n')).join('');
  const denial = `HTTP/1.1 403 Forbidden\r\n${lines}\r\n`;

  return function denyUnreadable({ code = '', rawPacket }: ParseError, socket: Duplex): void {
    // The peer closed the connection or was too slow.
    if (!socket.writable || !code.startsWith('HPE_')) {
      socket.destroy();
      return;
    }
    const text = rawPacket?.toString('latin1') ?? '';
    recordDecision(text.startsWith('GET /x-accel ') ? 'x-accel' : 'auth_request', decision, 0);
    log.info(
      { code: decision.code, request_id: REQUEST_ID.exec(text)?.[1], reason: code },
      'decision',
    );
    socket.end(denial, () => socket.destroy());
  };
}
