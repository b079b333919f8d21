import type { Reply } from './request.ts';

/** The response that a step expects. */
export interface Expected {
  readonly status: number;
  readonly sha256?: string;
  /** Of the problem document. */
  readonly code?: string;
}

/** Compares the response with the expected one, as one line of text. */
export function judge(reply: Reply, expected: Expected): { ok: boolean; text: string } {
  const came: Expected = {
    status: reply.status,
    ...(expected.sha256 !== undefined && { sha256: reply.sha256 }),
    ...(expected.code !== undefined && { code: codeOf(reply.text) }),
  };
  const ok = describe(came, true) === describe(expected, true);
  if (!ok) return { ok, text: `${describe(came)} instead of ${describe(expected)}` };
  const size = expected.sha256 === undefined ? '' : `, ${bytes(reply.bytes)}, same as on disk`;
  return { ok, text: describe(came) + size };
}

function describe({ status, sha256, code }: Expected, full = false): string {
  const sum = sha256 && `sha256 ${full ? sha256 : `${sha256.slice(0, 12)}…`}`;
  return [status, code, sum].filter(Boolean).join(' ');
}

function codeOf(text: string): string {
  try {
    return String(JSON.parse(text).code);
  } catch {
    return '(no problem document)';
  }
}

function bytes(count: number): string {
  const mib = count / 2 ** 20;
  return mib >= 1 ? `${mib} MiB` : `${count.toLocaleString('en')} bytes`;
}
