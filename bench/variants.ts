import type { Variant } from './backend.ts';
import { BARE } from './peers/bare.ts';
import { DJANGO } from './peers/django/start.ts';
import { EXPRESS } from './peers/express/start.ts';
import { LUA } from './peers/lua/start.ts';
import { NGINX } from './peers/nginx.ts';
import { POSTERN } from './peers/postern/variants.ts';

export const VARIANTS: readonly Variant[] = [...NGINX, LUA, ...DJANGO, EXPRESS, BARE, ...POSTERN];

/** Variants that run only if named: details of Postern, not alternatives to it. */
export const DETAILS = [
  'return',
  'bare',
  'redis-log',
  'redis-many',
  'jwt-eddsa-many',
  'jwt-hs256',
  'jwt-hs256-many',
];
