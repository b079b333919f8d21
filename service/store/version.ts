import { StoreUnavailable } from '../domain/store.ts';

/** The scripts use PEXPIRE with NX and GT. */
const OLDEST = 7;

/** Throws if INFO server names a version that is too old. Valkey reports a version of Redis, too. */
export function requireVersion(info: string): void {
  const version = /^redis_version:(\S+)/m.exec(info)?.[1];
  if (version === undefined || Number.parseInt(version, 10) >= OLDEST) return;
  const shown = `Redis ${version} is too old: Postern needs Redis ${OLDEST}.0 or newer, or Valkey`;
  throw new StoreUnavailable(shown, { shown });
}
