import { serviceConfig } from '../common/config.ts';
import { systemReason, UsageError } from '../common/errors.ts';
import { escapeControls } from '../common/terminal.ts';
import type { StorageSettings } from '../service/config/mounts.ts';
import { createSign, storageUrl } from '../service/s3/sign.ts';
import { formatFinding, reportLine } from './finding.ts';

/** Checks the object stores, and returns the text to print. `object` is the name of an object below the prefix of the mount. */
export async function diagnoseStorages(
  object: string | undefined,
  json: true | undefined,
  env: NodeJS.ProcessEnv,
) {
  const mounts = serviceConfig(env).mounts.flatMap(({ id, storage }) =>
    storage === undefined ? [] : [{ id, storage }],
  );
  if (mounts.length === 0) throw new UsageError('--storage: no mount has a storage');
  const results = await Promise.all(
    mounts.map(async ({ id, storage }) => ({
      mount: id,
      endpoint: storage.endpoint,
      bucket: storage.bucket,
      findings: await checkStorage(storage, object),
      untested: object === undefined ? ['public', 'object'] : [],
    })),
  );
  const ok = results.every(({ findings }) => findings.length === 0);
  if (json) return { ok, text: reportLine({ storages: results }) };
  const nothing =
    object === undefined
      ? '– nothing found, but not tested: public access. Pass the name of an object.'
      : '✓ nothing found';
  const lines = results.flatMap(({ mount, endpoint, bucket, findings }) => [
    escapeControls(`${mount}: ${bucket} at ${endpoint}`),
    ...findings.map(({ id, saw, ...texts }) => formatFinding(id, saw, texts)),
    ...(findings.length === 0 ? [nothing] : []),
  ]);
  return { ok, text: `${lines.join('\n')}\n` };
}

const TEXTS = {
  unreachable: {
    why: 'nginx answers 503 to every download of this mount.',
    fix: 'correct the endpoint, or allow this machine to connect to it',
  },
  public: {
    why: 'Everybody who knows the name of the bucket gets its objects without a token.',
    fix: 'remove the public access of the bucket: its policy and its ACL',
  },
  clock: {
    why: 'The storage rejects signatures that have expired or are dated in the future.',
    fix: 'synchronize the clock, for example with chrony',
  },
  region: {
    why: 'nginx does not follow the redirect of a storage, because it would show the signature.',
    fix: 'set the region and the endpoint of the bucket',
  },
  credentials: {
    why: 'The storage does not accept the access key, its secret, or the session token.',
    fix: 'correct or renew the credentials of the mount, and reload or restart Postern',
  },
  bucket: {
    why: 'The storage has no bucket with this name.',
    fix: 'correct the bucket, or the style of its URL (path or virtual-host)',
  },
  object: {
    why: 'The access key may not read it, or may not see that it is absent.',
    fix: 'check the prefix of the mount, and that the access key has s3:GetObject',
  },
};

function finding(id: keyof typeof TEXTS, saw: string, more: Partial<typeof TEXTS.region> = {}) {
  return [{ id, saw, ...TEXTS[id], ...more }];
}

/** A signature is valid for 60 seconds, and nginx may reuse it for the first 30 of them. */
const MAX_SKEW_SECONDS = 20;

const TIMEOUT_MS = 10_000;

/**
 * Requests an object from an object store, without and with a signature. Without a name, the object does not exist.
 * It changes nothing, and reads at most one byte of the object.
 */
async function checkStorage(storage: StorageSettings, name?: string) {
  const sign = createSign(storage, storage.credentials, Date.now);
  const { object, args } = sign(name ?? `postern-doctor-${Date.now()}`);
  const url = `${storageUrl(storage)}${object}`;
  try {
    const unsigned = await ask(url);
    const signed = await ask(`${url}?${args}`);
    return [...publicAccess(unsigned), ...clockSkew(signed), ...refusal(signed, storage, name)];
  } catch (error) {
    const { cause = error } = error as Error;
    return finding('unreachable', `${storage.endpoint} did not answer: ${systemReason(cause)}`);
  }
}

/** The parts of a response of S3 that help to find a cause. */
type Reply = Awaited<ReturnType<typeof ask>>;

async function ask(url: string) {
  const response = await fetch(url, {
    headers: { range: 'bytes=0-0' },
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const { status, headers } = response;
  // An object can be large, and is not XML.
  const text = status < 300 ? '' : (await response.text()).slice(0, 10_000);
  await response.body?.cancel().catch(() => {});
  const element = (tag: string) =>
    new RegExp(`<${tag}>([A-Za-z0-9.-]{1,80})</${tag}>`).exec(text)?.[1];
  const region = headers.get('x-amz-bucket-region')?.replace(/[^a-z0-9-]/gi, '');
  const date = Date.parse(headers.get('date') ?? '');
  return {
    // An empty object has no first byte. The storage allows this request to read it.
    status: status === 416 ? 200 : status,
    code: element('Code') ?? '',
    region: region ?? element('Region'),
    skewSeconds: Number.isNaN(date) ? 0 : Math.round((Date.now() - date) / 1000),
  };
}

function publicAccess({ status, code }: Reply) {
  const isListed = status === 404 && code === 'NoSuchKey';
  if (status >= 300 && !isListed) return [];
  const saw = `a GET without a signature is answered with ${isListed ? code : status}`;
  return finding('public', saw);
}

function clockSkew({ skewSeconds, code }: Reply) {
  const seconds = Math.abs(skewSeconds);
  if (seconds <= MAX_SKEW_SECONDS && code !== 'RequestTimeTooSkewed') return [];
  const side = skewSeconds > 0 ? 'ahead of' : 'behind';
  return finding('clock', `the clock of this machine is ${seconds} s ${side} that of the storage`);
}

const WRONG_REGION = /^Authorization(Header|Query)|^IllegalLocationConstraintException$/;
const WRONG_CREDENTIALS =
  /^(InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken|TokenRefreshRequired)$/;

function refusal({ status, code, region }: Reply, storage: StorageSettings, name?: string) {
  const saw = `${status} ${code}`.trim();
  if ((status >= 300 && status < 400) || WRONG_REGION.test(code)) {
    const named = region === undefined ? '' : `; the storage names ${region}`;
    const fix = `${TEXTS.region.fix}${region ? `: ${region}` : ''}`;
    return finding('region', `${saw} for the region ${storage.region}${named}`, { fix });
  }
  if (WRONG_CREDENTIALS.test(code)) return finding('credentials', saw);
  if (code === 'NoSuchBucket') return finding('bucket', `${saw} for ${storage.bucket}`);
  const isAbsent = name === undefined && (status === 404 || code === 'AccessDenied');
  if (status < 300 || isAbsent) return [];
  const why = 'The bucket has no object with this key below the prefix of the mount.';
  return finding('object', saw, status === 404 ? { why } : {});
}
