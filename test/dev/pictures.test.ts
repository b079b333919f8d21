import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { demoPicture } from '../../dev/build/pictures/demo.ts';
import { doctorPicture } from '../../dev/build/pictures/doctor.ts';
import { projectRoot, textOf } from '../harness/paths.ts';

const built = existsSync(join(projectRoot, 'dist', 'cli', 'postern.js'));

const OUTPUT = `
Postern

A token opens one file, for a limited time

 1  Without.
    $ curl http://127.0.0.1:1/a?token=ps_${'A'.repeat(32)}&b=<c>
    ✓ 401

10  A key.
    $ curl -H 'Authorization: Bearer demo-${'B'.repeat(16)}'
    ✗ 500

Any kind of file

11  Other.

Revocation

12  Revoked.
    ✓ 200
`;

describe('docs/pictures/demo.svg', () => {
  test('shows the chosen sections, without a whole token or key', () => {
    const svg = demoPicture(OUTPUT);
    expect(svg).toContain('>    $ curl http://127.0.0.1:1/a?token=ps_AAAA…&amp;b=&lt;c&gt;<');
    expect(svg).toContain('Bearer demo-…');
    expect(svg).toContain('12  Revoked.');
    expect(svg).not.toContain('Other.');
    expect(svg.match(/animation-delay/g)?.length).toBe(3);
  });

  test('has the titles of the demo; else: npm --prefix dev run pictures', () => {
    const play = textOf('dev/demo/play.ts');
    const titles = [...textOf('docs/pictures/demo.svg').matchAll(/>[ \d]\d {2}(.+)</g)];
    expect(titles.length).toBeGreaterThan(5);
    for (const [, title = ''] of titles) expect(play).toContain(`'${title}'`);
  });
});

test.runIf(built)(
  'docs/pictures/doctor.svg is what the doctor prints; else: npm --prefix dev run pictures',
  async () => {
    expect(textOf('docs/pictures/doctor.svg')).toBe(await doctorPicture());
  },
);
