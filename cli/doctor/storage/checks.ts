import type { StorageSettings } from '../../../service/config/storage.ts';
import { createSign, storageUrl } from '../../../service/storage/sign.ts';

export interface StorageFinding {
  readonly id: 'unreachable' | 'public' | 'clock' | 'region' | 'credentials' | 'bucket' | 'object';
  readonly saw: string;
  readonly why: string;
  readonly fix: string;
}

/** A signature is valid for a minute, of which nginx may reuse it for half. */
const MAX_SKEW_SECONDS = 20;

const TIMEOUT_MS = 10_000;

const WRONG_CREDENTIALS =
  /^(InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken|TokenRefreshRequired)$/;

/** S3's error for a request, and what else of the response says something about the cause. */
interface Reply {
  readonly status: number;
  readonly code: string;
  readonly region: string | undefined;
  readonly skewSeconds: number;
}

/**
 * Asks an object store for an object, unsigned and signed. Without a name, for one that does not exist.
 * It changes nothing, and reads at most one byte of the object.
 */
export async function checkStorage(
  storage: StorageSettings,
  name: string | undefined,
  now: () => number = Date.now,
): Promise<readonly StorageFinding[]> {
  const { object, args } = createSign(
    storage,
    storage.credentials,
    now,
  )(name ?? `postern-doctor-${now()}`);
  const url = `${storageUrl(storage)}${object}`;
  try {
    const unsigned = await ask(url, now);
    const signed = await ask(`${url}?${args}`, now);
    return [...isPublic(unsigned), ...clock(signed), ...refusal(signed, storage, name)];
  } catch (error) {
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
    const reason = cause?.code ?? (error as Error).name;
    return [
      {
        id: 'unreachable',
        saw: `${storage.endpoint} did not answer: ${reason}`,
        why: 'nginx answers 503 to every download of this mount.',
        fix: 'correct the endpoint, or allow this machine to connect to it',
      },
    ];
  }
}

async function ask(url: string, now: () => number): Promise<Reply> {
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
    status,
    code: element('Code') ?? '',
    region: region ?? element('Region'),
    skewSeconds: Number.isNaN(date) ? 0 : Math.round((now() - date) / 1000),
  };
}

/** The answer to a request without a signature. */
function isPublic({ status, code }: Reply): readonly StorageFinding[] {
  const listed = status === 404 && code === 'NoSuchKey';
  if (status >= 300 && !listed) return [];
  return [
    {
      id: 'public',
      saw: listed
        ? 'a GET without a signature is answered with NoSuchKey'
        : `a GET without a signature is answered with ${status}`,
      why: 'Everybody who knows the name of the bucket gets its objects without a token.',
      fix: 'remove the public access of the bucket: its policy and its ACL',
    },
  ];
}

function clock({ skewSeconds, code }: Reply): readonly StorageFinding[] {
  if (Math.abs(skewSeconds) <= MAX_SKEW_SECONDS && code !== 'RequestTimeTooSkewed') return [];
  const side = skewSeconds > 0 ? 'ahead of' : 'behind';
  return [
    {
      id: 'clock',
      saw: `the clock of this machine is ${Math.abs(skewSeconds)} s ${side} that of the storage`,
      why: 'The storage refuses signatures that have expired, or that are dated in the future.',
      fix: 'synchronize the clock, for example with chrony',
    },
  ];
}

/** The answer to a request with a signature. */
function refusal(
  { status, code, region }: Reply,
  storage: StorageSettings,
  name: string | undefined,
): readonly StorageFinding[] {
  const isRedirect = status >= 300 && status < 400;
  if (
    isRedirect ||
    /^Authorization(Header|Query)/.test(code) ||
    code === 'IllegalLocationConstraintException'
  ) {
    const found = region === undefined ? '' : `; the storage names ${region}`;
    return [
      {
        id: 'region',
        saw: `${status} ${code} for the region ${storage.region}${found}`.replace('  ', ' '),
        why: 'nginx does not follow the redirect of a storage, because it would show the signature.',
        fix: `set the region and the endpoint of the bucket${region ? `: ${region}` : ''}`,
      },
    ];
  }
  if (WRONG_CREDENTIALS.test(code)) {
    return [
      {
        id: 'credentials',
        saw: `${status} ${code}`,
        why: 'The storage does not accept the access key, its secret, or the session token.',
        fix: 'correct or renew the credentials of the mount, and reload or restart Postern',
      },
    ];
  }
  if (code === 'NoSuchBucket') {
    return [
      {
        id: 'bucket',
        saw: `${status} NoSuchBucket for ${storage.bucket}`,
        why: 'The storage has no bucket with this name.',
        fix: 'correct the bucket, or the style of its URL (path or virtual-host)',
      },
    ];
  }
  if (status < 300 || (name === undefined && (status === 404 || code === 'AccessDenied')))
    return [];
  return [
    {
      id: 'object',
      saw: `${status} ${code}`.trim(),
      why:
        status === 404
          ? 'The bucket has no object with this key below the prefix of the mount.'
          : 'The access key may not read it, or may not see that it is absent.',
      fix: 'check the prefix of the mount, and that the access key has s3:GetObject',
    },
  ];
}
