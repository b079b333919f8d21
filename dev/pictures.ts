// Makes docs/pictures/demo.svg and doctor.svg from what the demo and the doctor really print.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from './paths.ts';
import { demoPicture } from './pictures/demo.ts';
import { doctorPicture } from './pictures/doctor.ts';
import { tryRun } from './run.ts';

const { ok, output } = await tryRun(process.execPath, [
  join(projectRoot, 'dist', 'dev', 'demo.js'),
  '--once',
]);
if (!ok) throw new Error(output);
const pictures = { 'demo.svg': demoPicture(output), 'doctor.svg': await doctorPicture() };
for (const [name, svg] of Object.entries(pictures)) {
  await writeFile(join(projectRoot, 'docs', 'pictures', name), svg);
}
