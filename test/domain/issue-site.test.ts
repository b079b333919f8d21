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

test('where several sites have the prefix the site must be named', async () => {
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

test('where one site has it none needs to be', async () => {
  expect(await grantOf([a], { path: '/download/x' })).toEqual({ mount: a.id, site: undefined });
});

test('the mount of all sites is meant where no site is named', async () => {
  expect(await grantOf([a, everywhere], { path: '/download/x' })).toEqual({
    mount: everywhere.id,
    site: undefined,
  });
});

test("a named site has its own mount, or is the grant's only one", async () => {
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

test('a longer prefix of another site does not stand in the way', async () => {
  const nested = mount('a.example:/download/x/', '/nested/');
  const path = '/download/x/y';
  expect((await grantOf([nested, everywhere], { path, site: 'b.example' })).mount).toBe(
    everywhere.id,
  );
  expect((await grantOf([nested, everywhere], { path })).mount).toBe(nested.id);
});

test('a site that no mount serves is refused at the path', async () => {
  const { issue } = createDecider({ mounts: [a] });
  expect(await refusal(issue({ path: '/download/x', site: 'b.example' }))).toEqual({
    code: 'invalid_request',
    pointers: ['/path'],
  });
});

test("a client of one site may issue for the site's own mount without naming it", async () => {
  const of = (site: string) => ({ ...client, paths: [{ site, prefix: '/download/' }] });
  const path = '/download/x';
  const own = createDecider({ mounts: [a], client: of('a.example') });
  expect(await own.issue({ path })).toMatchObject({ expiresIn: 120 });
  const other = createDecider({ mounts: [a], client: of('b.example') });
  expect(await refusal(other.issue({ path }))).toMatchObject({ code: 'insufficient_scope' });
});
