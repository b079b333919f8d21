import { expect, test } from 'vitest';
import { httpOf, refuses } from '../../../doctor/config/context.ts';
import { parse } from '../../../doctor/config/parse.ts';

test.each([
  ['if ($a = "x y") { return 403; }', 'x y', true],
  ['if ($a = x) { return 403; }', 'y', false],
  ['if ($a != x) { return 500; }', 'y', true],
  ['if ( $a != "x" ) { return 500; }', 'x', false],
  ['if ($a ~ "^(x|y)") { return 500; }', 'y', true],
  ['if ($a ~ X) { return 500; }', 'x', false],
  ['if ($a ~* X) { return 500; }', 'x', true],
  ['if ($a !~ x) { return 500; }', 'x', false],
  ['if ($a !~* x) { return 500; }', '', true],
  // Another variable, a block that does not reject, and a regex that JavaScript cannot parse.
  ['if ($b ~ x) { return 500; }', 'x', false],
  ['if ($a ~ x) { return 200; }', 'x', false],
  ['if ($a ~ x) { set $b 1; }', 'x', false],
  ['if ($a ~ "(?x)^ (?>x)") { return 500; }', 'x', true],
])('refuses: %s with $a = %j: %s', (text, value, refused) => {
  const root = parse(`server { location / { ${text} } }`, 'a.conf');
  const [location] = httpOf(root, 'a.conf').servers[0]?.locations ?? [];
  expect(location && refuses(location, '$a', value)).toBe(refused);
});
