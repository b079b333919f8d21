import { expect, test } from 'vitest';
import { mount } from '../support/postern.ts';
import { client, createDecider, refusal } from './decider.ts';

const a = mount('a.example:/download/', '/a/');
const b = mount('b.example:/download/', '/b/');
const everywhere = mount('/download/', '/all/');

async function grantOf(mounts: Array<typeof a>, request: { path: string; site?: string }) {
  const { issue, store } = createDecider({ mounts });
  const grant = await store.find((await issue(request)).id);
  return { mount: grant?.mount, site: grant?.site };
}

test('issue: site is required if several sites have the prefix', async () => {
  const { issue } = createDecider({ mounts: [a, b] });
  expect(await refusal(issue({ path: '/download/x' }))).toEqual({
    code: 'invalid_request',
    pointers: ['/site'],
  });
  expect(await grantOf([a, b], { path: '/download/x', site: 'b.example' })).toEqual({
    mount: b.id,
    site: undefined,
  });
});

test('issue: site is optional if one site has the prefix', async () => {
  expect(await grantOf([a], { path: '/download/x' })).toEqual({ mount: a.id, site: undefined });
});

test('issue: without site the mount for all sites is used', async () => {
  expect(await grantOf([a, everywhere], { path: '/download/x' })).toEqual({
    mount: everywhere.id,
    site: undefined,
  });
});

test('issue: site selects the mount of the site, or limits the grant to the site', async () => {
  const mounts = [a, everywhere];
  expect(await grantOf(mounts, { path: '/download/x', site: 'A.Example' })).toEqual({
    mount: a.id,
    site: undefined,
  });
  expect(await grantOf(mounts, { path: '/download/x', site: 'B.Example' })).toEqual({
    mount: everywhere.id,
    site: 'b.example',
  });
});

test('issue: a longer prefix of another site is ignored', async () => {
  const nested = mount('a.example:/download/x/', '/nested/');
  const path = '/download/x/y';
  expect((await grantOf([nested, everywhere], { path, site: 'b.example' })).mount).toBe(
    everywhere.id,
  );
  expect((await grantOf([nested, everywhere], { path })).mount).toBe(nested.id);
});

test('issue: a site without a mount is an error at the path', async () => {
  const { issue } = createDecider({ mounts: [a] });
  expect(await refusal(issue({ path: '/download/x', site: 'b.example' }))).toEqual({
    code: 'invalid_request',
    pointers: ['/path'],
  });
});

test('issue: a client of one site may omit site for the mount of the site', async () => {
  const of = (site: string) => ({ ...client, paths: [{ site, prefix: '/download/' }] });
  const path = '/download/x';
  const own = createDecider({ mounts: [a], client: of('a.example') });
  expect(await own.issue({ path })).toMatchObject({ expiresIn: 120 });
  const other = createDecider({ mounts: [a], client: of('b.example') });
  expect(await refusal(other.issue({ path }))).toMatchObject({ code: 'insufficient_scope' });
});
