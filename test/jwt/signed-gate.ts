import { startGate } from '../gate/ask-gate.ts';
import { createSigned, type SignedOptions } from './signed-site.ts';

/** The same with a gate, asked for the code of its decision. */
export async function signedGate(
  options: SignedOptions = {},
  after?: Parameters<typeof startGate>[1],
) {
  const signed = await createSigned(options);
  const { store, clock, jwt } = signed;
  const gate = await startGate({ ...options, store, now: () => clock.now, jwt }, after);
  const codeOf = async (uri: string, headers = {}) => {
    const { status, headers: told } = await gate.authRequest(uri, headers);
    return status === 204 ? 'allow' : told['postern-reason'];
  };
  return { ...signed, authRequest: gate.authRequest, confirm: gate.confirm, codeOf };
}
