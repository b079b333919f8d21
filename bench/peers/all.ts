import type { Variant } from '../backend.ts';
import { DJANGO } from './django/start.ts';
import { EXPRESS } from './express/start.ts';
import { LUA } from './lua/start.ts';
import { NGINX } from './nginx.ts';
import { NJS } from './njs/start.ts';
import { OWN } from './own/start.ts';
import { POSTERN } from './postern/variants.ts';

export const VARIANTS: readonly Variant[] = [
  ...[...NGINX, ...LUA, NJS, ...OWN, ...DJANGO, EXPRESS, ...POSTERN],
];
