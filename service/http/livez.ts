import type { Answer } from './answer.ts';

export const LIVE = '{"status":"ok"}';

/** The process runs and answers. Says nothing of the store: that is `/readyz`. */
export function livez(): Answer {
  const headers = ['Cache-Control', 'no-store', 'Content-Type', 'application/json'];
  return { status: 200, headers: [...headers, 'Content-Length', String(LIVE.length)], body: LIVE };
}
