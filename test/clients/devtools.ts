import type { Running } from '../../dev/process.ts';
import { waitFor } from '../../dev/wait.ts';

/** What of the answers and events is read here; each method has its own. */
export interface Fields {
  readonly [name: string]: unknown;
}

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Fields;
  readonly result?: Fields;
  readonly error?: { readonly message: string };
}

export interface DevTools {
  send(method: string, params?: object, sessionId?: string): Promise<Fields>;
  /** The next event with the name that fulfils the condition. Each event is returned once. */
  event(method: string, holds?: (params: Fields) => boolean): Promise<Fields>;
}

/**
 * The protocol by which Chromium is driven, over `--remote-debugging-pipe`: JSON that ends with a
 * NUL, to descriptor 3 and from 4. https://chromedevtools.github.io/devtools-protocol/
 */
export function devTools({ pipes: [to, from], exited }: Running): DevTools {
  const received: Message[] = [];
  let part = '';
  from?.setEncoding('utf8').on('data', (chunk: string) => {
    const messages = `${part}${chunk}`.split('\0');
    part = messages.pop() ?? '';
    received.push(...messages.map((text) => JSON.parse(text)));
  });
  // If the browser ends, the awaited call rejects.
  to?.on('error', () => {});
  let gone = false;
  exited.then(() => {
    gone = true;
  });
  let count = 0;

  /** Takes one out of what was received. */
  function take(what: string, isIt: (one: Message) => boolean): Promise<Message> {
    return waitFor(
      () => {
        const at = received.findIndex(isIt);
        if (at < 0 && gone) throw new Error(`Chromium ended before ${what}`);
        return at >= 0 && (received.splice(at, 1)[0] as Message);
      },
      { what },
    );
  }

  return {
    async send(method, params = {}, sessionId) {
      count += 1;
      const id = count;
      to?.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
      const { error, result = {} } = await take(`its answer to ${method}`, (one) => one.id === id);
      if (error) throw new Error(`${method}: ${error.message}`);
      return result;
    },
    async event(method, holds = () => true) {
      const isIt = (one: Message) => one.method === method && holds(one.params ?? {});
      return (await take(method, isIt)).params ?? {};
    },
  };
}
