import type { Tool } from '../test/harness/find-on-path.ts';
import type { Group } from '../test/harness/usage.ts';

/** The parts of nginx's configuration that a variant adds. */
export interface Site {
  /** The lines before the http block: `load_module`. */
  readonly main?: string;
  readonly http?: string;
  readonly server: string;
  /** The format of nginx's access log. Default: `combined`. */
  readonly log?: string;
  /** A separate nginx program. */
  readonly tool?: Tool;
}

/** The application behind nginx. It is started again for each measurement. */
export interface Backend {
  readonly site: Site;
  readonly path: string;
  /** Each has its own token. `path` is the first one. Absent: there is no other. */
  readonly paths?: readonly string[];
  /** The same path without a token. nginx must deny it. */
  readonly refused?: string | undefined;
  /** How to request a token from the application. The response contains one `url`. */
  readonly issue?: { readonly path: string; readonly authorization: string; readonly body: string };
  /** Process groups whose CPU time is reported separately. */
  readonly processes: Readonly<{ service?: Group; redis?: Group }>;
  /** The time from the start of the process to its first response. */
  readonly startMs?: number;
  /** Memory of the service's processes before the first token is issued. */
  readonly idleBytes?: number;
  stop(): Promise<unknown>;
}

export interface Wanted {
  /** The folder with the file. */
  readonly files: string;
  /** How many paths to prepare, each with its own token. Default: 1. */
  readonly tokens?: number;
}

export interface Variant {
  readonly id: string;
  readonly title: string;
  /** Downloads what the variant needs. If this fails, the variant is left out. */
  readonly prepare?: () => Promise<unknown>;
  start(wanted: Wanted): Promise<Backend>;
}

export const NAME = 'file.bin';

/** The API key of all systems. */
export const KEY = 'a-key-for-the-bench-only';

/** Seconds. No token expires during a measurement. */
export const EXPIRES_IN = 3600;

/** Idle connections that nginx (and Lua, to Redis) keeps open: the maximum of any load. */
export const KEEPALIVE = 256;
