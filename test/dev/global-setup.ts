import type { TestProject } from 'vitest/node';
import { ensureTools, type ToolName } from '../harness/tools.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Why a program is not available, for the tests that need it. */
    missingTools: Partial<Record<ToolName, string>>;
  }
}

// What most tests need comes first. Each group by itself: one that Ubuntu does not have as a
// package, as it is with Chromium, must not keep the others away.
const groups: ToolName[][] = [
  ['nginx', 'redis-server'],
  ['valkey-server'],
  ['curl'],
  ['wget'],
  ['aria2c'],
  ['ffmpeg', 'ffprobe'],
  ['python3-jwt'],
  ['python3-django'],
  ['systemd-analyze'],
  ['python3'],
  ['ss'],
];

/** Large, and only for the projects of these names. */
const more: Partial<Record<string, ToolName[][]>> = {
  browsers: [['chromium'], ['firefox-esr']],
  integrations: [
    ['django-postern'],
    ['postern-downloads'],
    ['python3-setuptools'],
    ['laravel'],
    ['rails'],
    ['chromium'],
  ],
  install: [
    ['prometheus', 'promtool'],
    ['lintian'],
    ['php'],
    ['go'],
    ['python3-flask'],
    ['python3-authlib'],
    ['haproxy'],
    ['caddy'],
  ],
};

/**
 * Fetches what is missing before the first test, whose time-out a slow download would exceed.
 * A failure is only reported: most tests do not need the programs, and the others report it again.
 */
export default async function setup({ name, provide }: TestProject): Promise<void> {
  const missing: Partial<Record<ToolName, string>> = {};
  for (const names of [...groups, ...(more[name] ?? [])]) {
    try {
      await ensureTools(names);
    } catch (error) {
      const why = (error as Error).message.replaceAll('\n', ' ');
      process.stderr.write(`tests that need ${names.join(' or ')} cannot run: ${why}\n`);
      for (const name of names) missing[name] = why;
    }
  }
  provide('missingTools', missing);
}
