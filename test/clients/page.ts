import type { DevTools, Fields } from './devtools.ts';

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Page {
  /** The value of an expression in the page. */
  evaluate<T>(expression: string): Promise<T>;
  /** A person's click in the middle of the first element that the selector fits. */
  click(selector: string): Promise<void>;
}

/** A new tab, once it has loaded. */
export async function openPage({ send, event }: DevTools, url: string): Promise<Page> {
  const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
  const inPage = (method: string, params = {}) => send(method, params, sessionId as string);

  await inPage('Page.enable');
  await inPage('Page.setLifecycleEventsEnabled', { enabled: true });
  const { errorText, loaderId } = await inPage('Page.navigate', { url });
  if (errorText) throw new Error(`${url}: ${errorText}`);
  await event('Page.lifecycleEvent', isLoadOf(loaderId));

  async function evaluate<T>(expression: string): Promise<T> {
    const params = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await inPage('Runtime.evaluate', params);
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value: T }).value;
  }

  return {
    evaluate,
    async click(selector) {
      const box = `document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect()`;
      const { x, y, width, height } = await evaluate<Box>(`${box}.toJSON()`);
      const at = { x: x + width / 2, y: y + height / 2, button: 'left', clickCount: 1 };
      await inPage('Input.dispatchMouseEvent', { type: 'mousePressed', ...at });
      await inPage('Input.dispatchMouseEvent', { type: 'mouseReleased', ...at });
    },
  };
}

function isLoadOf(loaderId: unknown): (event: Fields) => boolean {
  return (event) => event.loaderId === loaderId && event.name === 'load';
}
