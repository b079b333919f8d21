import { FILE_ONLY, SETTINGS, TABLE } from '../../service/config/settings.ts';

const mount = TABLE.mounts.element.shape;
const namesIn = ({ shape }: { readonly shape: object }) => Object.keys(shape);

/** The names of the settings, and of the fields of their entries. */
export const FIELDS = {
  settings: [...SETTINGS, ...FILE_ONLY],
  mounts: Object.keys(mount),
  storage: namesIn(mount.storage.unwrap().in),
  api_keys: namesIn(TABLE.api_keys.unwrap().element),
  issuers: namesIn(TABLE.issuers.unwrap().element),
};

const MOUNT = { public: '/a/', internal: '/b/' };
const STORAGE = {
  ...{ type: 's3', endpoint: 'http://10.0.0.5:9000', region: 'auto', bucket: 'media' },
  ...{ credentials: 'environment', style: 'virtual-host' },
};
const API_KEY = { id: 'web', key: `sha256:${'a'.repeat(64)}` };
const ISSUER = {
  ...{ id: 'app', issuer: 'https://app.example', jwks_uri: 'https://app.example/jwks.json' },
  ...{ audience: 'https://files.example', trusted_for: 'downloads', paths: ['/a/'] },
};

/** Returns a valid file, except for a value in one place. */
type Put = (value: unknown) => string;

const put = (settings: object) =>
  JSON.stringify({ mounts: [MOUNT], api_keys: [API_KEY], ...settings });

/** Each place of a value in the file. JSON is YAML. */
export const PLACES: ReadonlyArray<readonly [name: string, put: Put]> = [
  ...FIELDS.settings.map((name) => [name, (value) => put({ [name]: value })] as [string, Put]),
  ...FIELDS.storage.map((name): [string, Put] => [
    `storage.${name}`,
    (value) => put({ mounts: [{ ...MOUNT, storage: { ...STORAGE, [name]: value } }] }),
  ]),
  ...(['mounts', 'api_keys', 'issuers'] as const).flatMap((list) =>
    FIELDS[list].map((name): [string, Put] => [
      `${list}.${name}`,
      (value) =>
        put({
          [list]: [
            { ...{ mounts: MOUNT, api_keys: API_KEY, issuers: ISSUER }[list], [name]: value },
          ],
        }),
    ]),
  ),
];
