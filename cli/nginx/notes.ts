import type { Config } from '../../service/config.ts';
import type { NginxOptions } from './options.ts';
import type { Plan } from './plan.ts';

/** Options that are valid but probably do not do what the operator expects. */
export function notesOn(
  { cache, login, sites, xAccel }: Plan,
  options: NginxOptions,
  { decisionTtl, publicUrl }: Pick<Config, 'decisionTtl' | 'publicUrl'>,
): string[] {
  const notes: string[] = [];
  if (sites.some(({ name }) => name === '_')) {
    notes.push(
      'no site is named, so another server block of nginx may answer: pass --server-name files.example',
    );
  }
  if (xAccel && (cache || login !== undefined)) {
    notes.push('--cache and --login have no effect with --x-accel');
  } else if (cache && decisionTtl === 0) {
    notes.push('--cache has no effect while POSTERN_DECISION_TTL is 0');
  }
  if (!options.login?.startsWith('/') && login !== undefined && publicUrl === undefined) {
    notes.push('without POSTERN_PUBLIC_URL the login page receives only the path, not the host');
  }
  return notes;
}
