// Makes docs/pictures/demo.svg and doctor.svg from what the demo and the doctor really print, and
// screenshots of the pages.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { projectRoot } from '../../test/harness/paths.ts';
import { tryRun } from '../../test/harness/run.ts';
import { demoPicture } from './pictures/demo.ts';
import { doctorPicture } from './pictures/doctor.ts';
import { pagePictures, reduceColors } from './pictures/pages.ts';

const { ok, output } = await tryRun(process.execPath, [
  join(projectRoot, 'dist', 'dev', 'demo', 'demo.js'),
  '--once',
]);
if (!ok) throw new Error(output);
const pictures = {
  'demo.svg': demoPicture(output),
  'doctor.svg': await doctorPicture(),
  ...(await pagePictures()),
};
const files = Object.entries(pictures).map(
  ([name, picture]) => [join(projectRoot, 'docs', 'pictures', name), picture] as const,
);
for (const [file, picture] of files) {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, picture);
}
for (const [file] of files) if (file.endsWith('.png')) await reduceColors(file);
// The browser's pipes would keep the process alive.
process.exit();
