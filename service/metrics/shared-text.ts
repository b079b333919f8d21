/** So long one text answers every request: Prometheus asks every 15 s or so. */
const KEPT_MS = 1000;

/**
 * A text that is made once a second at most, and once for all who ask meanwhile. Anybody who reaches the
 * API may ask, and making it takes milliseconds in which the gate does not answer.
 */
export function sharedText(make: () => Promise<string>, now: () => number): () => Promise<string> {
  let text: Promise<string> | undefined;
  let made = 0;
  return () => {
    if (text === undefined || now() - made >= KEPT_MS) {
      made = now();
      text = make();
      text.catch(() => {
        text = undefined;
      });
    }
    return text;
  };
}
