import type { Logger } from 'pino';
import { withoutTokens } from '../token/without-tokens.ts';

export const EVENT_TYPES = [
  'token.issued',
  'token.redeemed',
  'token.delivered',
  'token.revoked',
  'token.refused',
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

/** Who causes an event, the more important first. Each has its own queue, because anybody with a link can flood one. */
export const CAUSES = ['application', 'requesters'] as const;

export type Cause = (typeof CAUSES)[number];

export function causeOf(type: EventType): Cause {
  // Wrong PINs can also cause token.revoked, but only once for a token that the application has issued.
  return type === 'token.issued' || type === 'token.revoked' ? 'application' : 'requesters';
}

/**
 * Reports what happened, at once, and never throws. No field of `data` is for a token, a key or a PIN. Tokens are removed
 * from the texts of clients, such as a path. Of events with the same `limit`, MAX_PER_SECOND are reported in a second.
 */
export type Emit = (type: EventType, data: object, limit?: string) => void;

/** Reported events of an instance with the same limit. */
export const MAX_PER_SECOND = 10;

export interface Webhook {
  readonly url: string;
  /** The secrets; each signs each request. */
  readonly secrets: readonly Buffer[];
  /** Addresses and ranges that are allowed although they are not public, also without TLS. */
  readonly allow: readonly string[];
}

export interface EventSettings {
  /** Empty: nothing is recorded, and the store is not opened. */
  readonly types: readonly EventType[];
  /** Absent: events are only stored. */
  readonly webhook?: Webhook;
}

interface Counter {
  inc(by?: number): void;
}

export interface EventMetrics {
  readonly attempts: Readonly<Record<'delivered' | 'failed', Counter>>;
  readonly dead: Counter;
  readonly dropped: Readonly<
    Record<'queue_full' | 'store_full' | 'too_many' | 'shutdown', Counter>
  >;
  oldestMs: number;
}

export interface EventOptions {
  /** The settings in force, which a reload changes. */
  readonly settings: () => EventSettings;
  readonly open: () => EventStore;
  readonly metrics: EventMetrics;
  readonly log: Logger;
  /** A clock in milliseconds, from any start. */
  readonly now?: () => number;
}

export interface Event {
  /** Unique. All copies and attempts of an event have the same ID. */
  readonly id: string;
  readonly body: string;
  readonly cause: Cause;
}

/** An event that its caller delivers, until LEASE_MS have passed. */
export interface TakenEvent extends Event {
  /** The ID of the event in the store. */
  readonly entry: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
}

/** The store keeps about this many events of each cause until their delivery. If there are more, it drops the oldest. */
export const MAX_STORED_EVENTS = 10_000;

/** Maximum number of events that were given up. If there are more, the oldest are dropped. */
export const MAX_DEAD_EVENTS = 1000;

/** Longer than an attempt. After that, the instance that took the event has stopped, or has lost Redis. */
export const LEASE_MS = 30_000;

export type Outcome =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'later'; readonly afterMs: number }
  | { readonly kind: 'dead'; readonly reason: string };

/** Keeps events until they are delivered. Instances with the same store share the deliveries. */
export interface EventStore {
  /** Adds events, and returns how many of the oldest were dropped. If it rejects, some may be added. */
  add(events: readonly Event[]): Promise<number>;
  /** Takes up to `max` events that are due, those of the application first. LEASE_MS later, they are due again. */
  take(max: number): Promise<{
    readonly events: readonly TakenEvent[];
    /** How long the oldest event waits. Never negative. */
    readonly oldestMs: number;
  }>;
  settle(event: TakenEvent, outcome: Outcome): Promise<void>;
  close(): void;
}

/** The body of an event, as docs/guides/webhooks.md describes it. */
export function eventBody(type: EventType, at: number, data: object): string {
  const timestamp = new Date(at).toISOString();
  const { token_id: id, token_ids: more = [] } = data as {
    token_id?: string;
    token_ids?: string[];
  };
  // An ID is a hash. One of about 30,000 looks like a piece of a token.
  const ids = new Set([id, ...more]);
  return JSON.stringify({ type, timestamp, data }, (_, value: unknown) =>
    typeof value === 'string' && !ids.has(value) ? withoutTokens(value) : value,
  );
}
