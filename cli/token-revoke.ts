import { type Api, notPostern } from './api/ask.ts';

/**
 * Ends a token, or all of a subject's that this client has issued. Returns what to print.
 *
 * @throws Failure
 */
export async function revokeToken(api: Api, id: string, json?: true): Promise<string> {
  await api.ask('DELETE', `/tokens/${id}`);
  return json ? '{"revoked":1}\n' : `${id} is revoked.\n`;
}

export async function revokeSubject(api: Api, subject: string, json?: true): Promise<string> {
  const query = new URLSearchParams({ subject });
  const { revoked } = (await api.ask('DELETE', `/tokens?${query}`)) as { revoked: unknown };
  if (typeof revoked !== 'number') throw notPostern(200);
  return json ? `${JSON.stringify({ revoked })}\n` : `${revoked} revoked.\n`;
}
