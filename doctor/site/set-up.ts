import { dirname } from 'node:path';
import { Problem } from '../../common/api-client.ts';
import { Failure } from '../../common/errors.ts';
import { type Endpoint, headerOf, NoAnswer, type SiteResponse } from './http.ts';
import type { CanaryMount, TestedSite } from './tested-site.ts';

/** A shorter canary could be in a response by chance. */
const MIN_BYTES = 32;
const MAX_BYTES = 64 << 10;

/**
 * Downloads the canary once, and finds its mount.
 *
 * @throws Failure if this site cannot be tested; the message says what to check
 */
export async function findCanary(
  path: string,
  endpoint: Endpoint,
  { api, mark, ask }: Pick<TestedSite, 'api' | 'mark' | 'ask'>,
): Promise<Pick<TestedSite, 'canary' | 'mount'>> {
  const token = await issue(api, path);
  const [target = '', query = ''] = token.target.split('?');
  if (!query.startsWith('token=') || query.includes('&')) {
    throw new Failure(
      `the mount of ${path} has a path_argument, which this test does not support: choose another --path`,
    );
  }
  const mount = await mountOf(api, path, target);
  const site = `${endpoint.tls ? 'https' : 'http'}://${endpoint.authority}`;
  const get = (asked: string) =>
    ask({ target: asked }).catch((error: unknown) => {
      if (!(error instanceof NoAnswer)) throw error;
      const advice = /SELF_SIGNED|LEAF_SIGNATURE|ISSUER_CERT/.test(error.message)
        ? 'Node.js does not trust its certificate: for your own CA, set NODE_EXTRA_CA_CERTS to its file'
        : 'Check the URL, or --connect';
      throw new Failure(`${site} does not answer: ${error.message}. ${advice}`);
    });
  const answer = await get(token.target);
  if (answer.status !== 200) throw new Failure(`${site}: ${reason(answer, path, mount)}`);
  const { body } = answer;
  if (body.length < MIN_BYTES || body.length > MAX_BYTES) {
    throw new Failure(
      `${path} has ${body.length} bytes. The canary must have ${MIN_BYTES} to ${MAX_BYTES} bytes that no other file has. Create it: ${recipe(path, mount)}`,
    );
  }
  const nowhere = path.slice(0, path.lastIndexOf('/') + 1) + mark;
  const isCanary = (heard: SiteResponse) => heard.body.includes(body.subarray(0, 16));
  // The file is requested outside of the gate as well: inside it, a cache could have sent the response for another name.
  if (isCanary(await get((await issue(api, nowhere)).target)) && isCanary(await get(`/${mark}`))) {
    throw new Failure(
      `${path} does not exist: this site sends the same response for any name. Create it: ${recipe(path, mount)}`,
    );
  }
  return { canary: { path, target, body }, mount };
}

async function issue(api: TestedSite['api'], path: string) {
  try {
    return await api.issue({ path });
  } catch (error) {
    if (!(error instanceof Problem) || error.document.code === 'invalid_client') throw error;
    throw new Failure(`Postern rejects a token for --path ${path}: ${error.message}`);
  }
}

const CONFIG_TOO = 'Run `postern doctor --config` too.';

/** In the URL of a folder, the token follows the prefix of the mount. */
async function mountOf(api: TestedSite['api'], path: string, target: string) {
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  const issued = await api.issueIfMay({ prefix: folder });
  if (!issued) return undefined;
  const prefix = issued.target.slice(0, issued.target.indexOf(`~${issued.token}`));
  return { prefix, rest: target.slice(prefix.length) };
}

/** What to check if a valid token does not open the file. */
function reason(answer: SiteResponse, path: string, mount: CanaryMount | undefined): string {
  const { status } = answer;
  // The gate also answers 404 in JSON, for a missing file. Only the API says what it is.
  if (status === 404 && answer.body.includes('This is the API, not the gate')) {
    return `nginx asks Postern's API instead of its gate: 'upstream postern' must name the address of POSTERN_LISTEN`;
  }
  const got = `${status} for ${path} with a valid token`;
  if (status === 404)
    return `${path} does not exist, or nginx may not read its folder (404). Create it: ${recipe(path, mount)}. ${CONFIG_TOO}`;
  if (status >= 300 && status < 400) {
    const to = headerOf(answer, 'location')?.split('?', 1);
    return `${got}, a redirect to ${to}: pass that URL instead`;
  }
  if (status === 401 || status === 403) {
    return `${got}: check that nginx may read the file, that it asks the same Postern as --api, or one with the same store, and that server_name is the site of the mount`;
  }
  if (status >= 500) {
    return `${got}: nginx probably does not reach the gate. 'upstream postern' must name the address of POSTERN_LISTEN. The address of --api is not the gate. See the logs of nginx and Postern. If nginx logs (13: Permission denied), its user may not open the socket (EACCES): usermod -aG postern-gate www-data, then reload nginx. ${CONFIG_TOO}`;
  }
  return got;
}

function recipe(path: string, mount: CanaryMount | undefined): string {
  const rest = mount ? decodeURIComponent(mount.rest) : path.slice(path.lastIndexOf('/') + 1);
  const file = `/srv/files/${rest}`;
  return `mkdir -p ${dirname(file)} && head -c 1500 /dev/urandom | base64 > ${file}, where /srv/files/ is the alias of the internal location`;
}
