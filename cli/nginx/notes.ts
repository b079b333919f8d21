import type { Config } from '../../service/config.ts';
import type { NginxOptions } from './options.ts';
import type { Plan } from './plan.ts';

/** What is legal, and not what whoever asked for it may think. */
export function notesOn(
  { cache, login, sites, xAccel }: Plan,
  options: NginxOptions,
  { decisionTtl, publicUrl }: Pick<Config, 'decisionTtl' | 'publicUrl'>,
): string[] {
  const notes: string[] = [];
  if (sites.some(({ name }) => name === '_')) {
    notes.push(
      'no site is named, so another server block of nginx may be the one that answers: --server-name files.example',
    );
  }
  if (xAccel && (cache || login !== undefined)) {
    notes.push('--cache and --login are for auth_request: by X-Accel they do nothing');
  } else if (cache && decisionTtl === 0) {
    notes.push('--cache keeps nothing as long as POSTERN_DECISION_TTL is 0');
  }
  if (!options.login?.startsWith('/') && login !== undefined && publicUrl === undefined) {
    notes.push(
      'without POSTERN_PUBLIC_URL the page of --login is told the path alone, and not the host',
    );
  }
  return notes;
}
