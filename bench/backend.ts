import type { Tool } from '../dev/tools.ts';

/** What nginx in front needs for a variant. */
export interface Site {
  /** Before the http block, `load_module` for example. */
  readonly main?: string;
  /** In the http block: upstreams. */
  readonly http?: string;
  /** In the server block: the locations. */
  readonly server: string;
  /** An nginx of its own. */
  readonly tool?: Tool;
}

/** How an application asks for a token: each request gives one `url`. */
export interface Issue {
  readonly path: string;
  readonly authorization: string;
  readonly body: string;
  /** A body for so many at once, where that can be asked for. */
  readonly batch?: (count: number) => string;
}

/** What stands behind nginx in one variant, started afresh for each measurement. */
export interface Backend {
  readonly site: Site;
  /** What to ask nginx for. */
  readonly path: string;
  /** Each has a token of its own; `path` is the first. */
  readonly paths: readonly string[];
  /** Without a token this must be refused. */
  readonly refused?: string;
  readonly issue?: Issue;
  /** Process groups whose CPU time is told apart. */
  readonly processes: Readonly<{ service?: number; redis?: number }>;
  /** From the start of the process to its first answer. */
  readonly startMs?: number;
  /** Of the service's processes, in bytes, before the first token was issued. */
  readonly idleBytes?: number;
  stop(): Promise<void>;
}

export interface Wanted {
  /** The folder of the file that is served. */
  readonly files: string;
  /** How many paths are wanted, each with its token; 1 unless told. */
  readonly tokens?: number;
}

export interface Variant {
  readonly id: string;
  readonly title: string;
  /** Fetches what it needs; where that cannot be had, the variant is left out. */
  readonly prepare?: () => Promise<unknown>;
  start(wanted: Wanted): Promise<Backend>;
}

export const NAME = 'file.bin';

/** For every system that asks for one. */
export const KEY = 'a-key-for-the-bench-only';

/** Seconds: none ends while it is measured. */
export const EXPIRES_IN = 3600;

/** Connections that nginx keeps to each system, Lua to its Redis too: as many as a load has at most. */
export const KEEPALIVE = 256;
