import { z } from 'zod';

/** A hundred times what the largest have. */
const MOST_BYTES = 1024 * 1024;

/** The key set that a `jwks_uri` answers with, as text. Throws where it is none. */
export async function jwksText(answer: Response): Promise<string> {
  const text = answer.status === 200 ? await textOf(answer) : undefined;
  await answer.body?.cancel().catch(() => {});
  if (text === undefined) throw new Error(`it answered ${answer.status}`);
  if (!isKeySet(text)) throw new Error('it answered with what is no JWKS');
  return text;
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new Error(`it answered with more than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const keySet = z.object({ keys: z.array(z.object({})) });

function isKeySet(text: string): boolean {
  try {
    return keySet.safeParse(JSON.parse(text)).success;
  } catch {
    return false;
  }
}
