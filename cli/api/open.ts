import type { Environment } from '../environment.ts';
import { apiAddress } from './address.ts';
import { type Api, createApi } from './ask.ts';
import { apiKey } from './key.ts';

/** The variables and options by which every command finds the service. */
export interface ApiOptions {
  readonly api?: string;
  readonly keyFile?: string;
}

/** @throws Failure */
export async function openApi({ api, keyFile }: ApiOptions, env: Environment): Promise<Api> {
  const address = apiAddress(api, env.POSTERN_API);
  return createApi(address, await apiKey(keyFile, env.POSTERN_API_KEY));
}
