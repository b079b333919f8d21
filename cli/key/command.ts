import { generateKeyPairSync, generateKeySync, randomBytes } from 'node:crypto';
import { type Command, Option } from 'commander';
import type { JWK } from 'jose';
import { Failure } from '../../common/errors.ts';
import { example } from '../../common/options.ts';
import { quote } from '../../service/config/errors.ts';
import { readKeySet, writeKeyFile } from './file.ts';

const ALGORITHMS = ['EdDSA', 'ES256', 'HS256'] as const;

type Algorithm = (typeof ALGORITHMS)[number];

export function addKey(program: Command): void {
  const key = program
    .command('key')
    .description('Generate and list the keys that sign JWTs.')
    .addHelpText('after', example('postern key list /etc/postern/keys.json'));

  key
    .command('generate')
    .description(
      'Generate a key in a file (JWKS) that only its owner can read, or on standard output.',
    )
    .addOption(
      new Option(
        '--alg <alg>',
        'algorithm (default: EdDSA; with --rotate that of the current key)',
      ).choices(ALGORITHMS),
    )
    .option('--out <file>', 'a new file; with --rotate, an existing file')
    .option('--rotate', 'add the key before the existing keys, which still verify their tokens')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', example('postern key generate --out /etc/postern/keys.json'))
    .action(async (options: GenerateOptions, command: Command) => {
      if (options.rotate && options.out === undefined) {
        command.error("error: option '--rotate' requires '--out <file>'");
      }
      process.stdout.write(await generateKey(options));
    });

  key
    .command('list')
    .description('List the keys of a file and their algorithms, without private keys.')
    .argument('<file>', 'a JWKS file')
    .option('--json', 'print JSON')
    .addHelpText('after', example('postern key list /etc/postern/keys.json'))
    .action(async (file: string, { json }: { readonly json?: true }) => {
      process.stdout.write(await listKeys(file, json));
    });
}

interface GenerateOptions {
  /** The algorithm; the default is EdDSA, or with `rotate` that of the current key. */
  readonly alg?: Algorithm;
  readonly out?: string;
  readonly rotate?: true;
  readonly json?: true;
}

/** Generates a key. Returns the text to print. */
export async function generateKey({ alg, out, rotate, json }: GenerateOptions): Promise<string> {
  if (out === undefined) {
    const set = { keys: [newKey(alg ?? 'EdDSA')] };
    return `${JSON.stringify(set, null, json ? 0 : 2)}\n`;
  }
  const { keys } = await writeKeyFile(out, rotate, (set) => {
    const key = newKey(alg ?? algorithmOf(out, set.keys[0]));
    return { ...set, keys: [key, ...set.keys] };
  });
  const made = keys[0] as JWK;
  if (json) {
    return `${JSON.stringify({ file: out, kid: made.kid, alg: made.alg, keys: keys.length })}\n`;
  }
  const next = rotate
    ? 'The old keys still verify their tokens. Send SIGHUP to Postern to reload the file.'
    : 'To let Postern sign with this key, set POSTERN_JWT_KEYS_FILE to the file.\n' +
      'If your application signs with it, give Postern only the public half, as jwks_file of an issuer.';
  return `${out}: key ${made.kid} signs with ${made.alg}.\n${next}\n`;
}

function algorithmOf(file: string, first: JWK | undefined): Algorithm {
  if (first === undefined) return 'EdDSA';
  const known = ALGORITHMS.find((alg) => alg === first.alg);
  if (known !== undefined) return known;
  throw new Failure(`the first key of ${file} has no alg that Postern can sign with: pass --alg`);
}

/** Generates a key with a random `kid` of 16 characters. */
export function newKey(alg: Algorithm): JWK {
  const kid = randomBytes(12).toString('base64url');
  return { kid, alg, use: 'sig', ...MAKE[alg]().export({ format: 'jwk' }) };
}

const MAKE = {
  // RFC 8037. Libraries support Ed25519 more often than Ed448.
  EdDSA: () => generateKeyPairSync('ed25519').privateKey,
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  // RFC 7518, section 3.2: as long as the hash.
  HS256: () => generateKeySync('hmac', { length: 256 }),
};

/** The keys of a file, as text to print. The text contains no part of a key. */
async function listKeys(file: string, json?: true): Promise<string> {
  const { keys } = await readKeySet(file);
  const rows = keys.map((key, index) => ({
    kid: typeof key.kid === 'string' ? key.kid : null,
    alg: typeof key.alg === 'string' ? key.alg : null,
    signs: index === 0 && isPrivate(key),
  }));
  if (json) return `${JSON.stringify({ keys: rows })}\n`;
  const lines = rows.map(({ kid, alg, signs }, index) => {
    const use = signs ? 'signs' : index === 0 ? 'cannot sign: no private key' : 'verifies';
    return `${cell(kid)}  ${cell(alg)}  ${use}\n`;
  });
  return lines.join('');
}

function isPrivate({ kty, d, k }: JWK): boolean {
  return typeof (kty === 'oct' ? k : d) === 'string';
}

/** Other values, which could contain control characters, are quoted. */
function cell(text: string | null): string {
  if (text === null) return '-';
  return /^[\x21-\x7e]{1,64}$/.test(text) ? text : quote(text);
}
