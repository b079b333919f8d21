import { expect } from 'vitest';
import { PASSWORD } from '../../dev/examples/django.ts';
import { createVisitor, type Visit } from './example.ts';

/** A browser in which a user of the example has logged in. */
export async function login(site: { origin: string }, username: string): Promise<Visit> {
  const visit = createVisitor(site.origin);
  const body = new URLSearchParams({
    csrfmiddlewaretoken: await csrfToken(visit, '/admin/login/'),
    username,
    password: PASSWORD,
    next: '/',
  });
  const { status } = await visit('/admin/login/', { method: 'POST', body });
  expect(status).toBe(302);
  return visit;
}

export async function csrfToken(visit: Visit, path: string): Promise<string> {
  const page = await (await visit(path)).text();
  return /name="csrfmiddlewaretoken" value="(\w+)"/.exec(page)?.[1] ?? '';
}

/** The headers that keep a link out of caches and of other sites. */
export const PRIVATE = ['no-store', 'no-referrer'];
export const privacyOf = ({ headers }: Response) => [
  headers.get('cache-control'),
  headers.get('referrer-policy'),
];
