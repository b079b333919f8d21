import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RolldownOutput, rolldown } from 'rolldown';

// Replaces the two programs that tsc has written to dist/ by bundles with all packages in them, and makes that of
// the doctor's own package. They
// start in less than half of the time, because Node.js opens 20 files instead of 400, and need no
// node_modules/.

const root = join(import.meta.dirname, '..', '..', '..');
const dist = join(root, 'dist');

/** Code that the programs share, and each package, in a file with its name. */
const CHUNKS = 'chunks';

/** The script of a listing, which runs in the browser. `service/main.ts` reads it. */
const LISTING = 'listing-page.js';

const PACKAGE = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//;

async function bundle(): Promise<RolldownOutput> {
  const build = await rolldown({
    cwd: root,
    input: { 'cli/postern': 'cli/postern.ts', 'service/main': 'service/main.ts' },
    platform: 'node',
    tsconfig: false,
  });
  await rm(join(dist, CHUNKS), { recursive: true, force: true });
  // The code is not minified, so that a stack trace names functions.
  return build.write({
    dir: dist,
    chunkFileNames: `${CHUNKS}/[name].js`,
    codeSplitting: { groups: [{ debugName: 'packages', name: packageName }] },
  });
}

/** One script, with client-zip in it, for an element of a page. */
async function bundleListing(): Promise<RolldownOutput> {
  const build = await rolldown({
    cwd: root,
    input: 'service/pages/browser/listing-page.ts',
    platform: 'browser',
    tsconfig: false,
  });
  const file = join(dist, CHUNKS, LISTING);
  const output = await build.write({ file, format: 'iife', minify: true });
  // These would end the element, or hide its end (HTML, "Restrictions for contents of script elements").
  if (/<!--|<\/?script/i.test(output.output[0].code))
    throw new Error(`${LISTING}: <!-- or <script`);
  return output;
}

/** The doctor as a package without dependencies: see doctor/package.json. */
async function bundleDoctor(): Promise<RolldownOutput> {
  const folder = join(root, 'doctor', 'dist');
  const build = await rolldown({
    cwd: root,
    input: 'doctor/nginx-exposed.ts',
    platform: 'node',
    tsconfig: false,
  });
  await rm(folder, { recursive: true, force: true });
  return build.write({ file: join(folder, 'nginx-exposed.js') });
}

function packageName(module: string): string | null {
  return PACKAGE.exec(module)?.[2]?.replace('/', '+') ?? null;
}

/** The name, version and license of each package in the bundles. Their licenses ask for this. */
function licenses(outputs: readonly RolldownOutput[]): string {
  const files = outputs.flatMap(({ output }) => output);
  const modules = files.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
  const folders = modules.flatMap((module) => PACKAGE.exec(module)?.[1] ?? []);
  const texts = [...new Set(folders)].sort().map((folder) => {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
    const text = file === undefined ? '' : readFileSync(join(folder, file), 'utf8').trim();
    return `${manifest.name} ${manifest.version} (${manifest.license})\n\n${text}\n`;
  });
  return `This program contains these packages.\n\n${texts.join(`\n${'-'.repeat(72)}\n\n`)}`;
}

if (!existsSync(join(dist, 'cli'))) throw new Error('dist/cli is missing: npm run build');
const outputs = [await bundle(), await bundleListing()];
await writeFile(join(dist, CHUNKS, 'LICENSES.txt'), licenses(outputs));
await chmod(join(dist, 'cli', 'postern.js'), 0o755);
const doctor = join(root, 'doctor', 'dist');
const own = readFileSync(join(root, 'LICENSE'), 'utf8');
await writeFile(join(doctor, 'LICENSES.txt'), `${own}\n${licenses([await bundleDoctor()])}`);
await chmod(join(doctor, 'nginx-exposed.js'), 0o755);
