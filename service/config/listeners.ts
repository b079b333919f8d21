import type { Faults } from './fault.ts';
import { collide, type Listen, readListen } from './listen.ts';
import type { Settings } from './names.ts';
import { readSocketMode } from './socket-mode.ts';

export interface Listeners {
  /** The gate, for nginx alone. */
  readonly listen: Listen;
  readonly apiListen: Listen;
  /** Of a Unix socket: who may connect, as in chmod. */
  readonly socketMode: number;
}

/**
 * Both addresses, and the mode of Unix sockets. The addresses must differ: a proxy that publishes the
 * API must not expose the gate, which trusts the headers that it gets.
 */
export function readListeners(settings: Settings, faults: Faults): Listeners | undefined {
  const given = settings.get('listen');
  const givenApi = settings.get('api_listen');
  const listen = given ? readListen(given, faults) : { host: '127.0.0.1', port: 7300 };
  const apiListen = givenApi ? readListen(givenApi, faults) : { host: '127.0.0.1', port: 7301 };
  const givenMode = settings.get('socket_mode');
  const socketMode = givenMode ? readSocketMode(givenMode, faults) : 0o660;
  if (listen === undefined || apiListen === undefined) return undefined;
  if (!collide(listen, apiListen)) {
    return socketMode === undefined ? undefined : { listen, apiListen, socketMode };
  }
  const [blamed, other] = givenApi
    ? [givenApi, given?.field ?? 'POSTERN_LISTEN']
    : [given ?? { field: 'POSTERN_LISTEN' }, 'POSTERN_API_LISTEN'];
  return faults.add(
    blamed,
    `an address that differs from ${other}: the gate, for nginx alone, and the API cannot share one`,
  );
}
