import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { Decision } from '../domain/decision.ts';
import type { RecordDecision } from '../metrics/decisions.ts';
import { denialHeaders, requestHeaders } from './headers.ts';

/** As Node's parser reports that it cannot read a request: what it read of it last. */
interface ParseError extends NodeJS.ErrnoException {
  readonly rawPacket?: Buffer;
}

interface UnreadableDependencies {
  readonly recordDecision: RecordDecision;
  readonly log: Logger;
}

const REQUEST_ID = new RegExp(`^${requestHeaders.requestId}: ([0-9a-f]{32})\r$`, 'im');

/**
 * Denies a request that Node's parser rejects: nginx passes on control characters in the values of
 * headers. Node's own 400 would be a 503 to the client. The parser stays strict, and the connection is
 * closed, so nothing that follows can be read as another request.
 */
export function createDenyUnreadable({ recordDecision, log }: UnreadableDependencies) {
  const decision: Decision = { allow: false, code: 'invalid_request' };
  const headers = [...denialHeaders(decision, 403), 'Content-Length', '0', 'Connection', 'close'];
  const lines = headers.map((text, i) => text + (i % 2 === 0 ? ': ' : '\r\n')).join('');
  const denial = `HTTP/1.1 403 Forbidden\r\n${lines}\r\n`;

  return function denyUnreadable({ code = '', rawPacket }: ParseError, socket: Duplex): void {
    // The peer is gone, or was too slow.
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
