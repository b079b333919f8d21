import { serviceEnvironment, textOfFile } from '../common/config.ts';
import { count, escapeControls, jsonLine, print } from '../common/terminal.ts';
import { type Config, loadConfig } from '../service/config/config.ts';
import { ConfigError } from '../service/config/errors.ts';
import { KeyFilesError, openJwt } from '../service/jwt/jwt.ts';
import { createMounts } from '../service/paths/mount.ts';

const INVALID = 2;

/** Checks the configuration, prints the result, and sets the exit code. */
export async function check(env: NodeJS.ProcessEnv, json?: true): Promise<void> {
  const { errors, text } = await checked(env);
  const isValid = errors.length === 0;
  if (!isValid) process.exitCode = INVALID;
  if (json) await print(jsonLine({ valid: isValid, errors }));
  else if (isValid) await print(text);
  else process.stderr.write(text);
}

/** Reads the configuration and the key files as the service does without a terminal. Connects to no server. */
async function checked(env: NodeJS.ProcessEnv) {
  try {
    const config = loadConfig(serviceEnvironment(env), textOfFile);
    const mounts = createMounts(config.mounts);
    await openJwt(config, { mounts, readFile: textOfFile, now: Date.now, onFailure() {} });
    return { errors: [], text: `The configuration is valid: ${summary(config)}.\n` };
  } catch (error) {
    if (error instanceof ConfigError) return { errors: error.issues, text: `${error.message}\n` };
    if (!(error instanceof KeyFilesError)) throw error;
    const text = error.message.split('\n').map(escapeControls).join('\n');
    return { errors: error.problems, text: `${text}\n` };
  }
}

function summary({ mounts, apiKeys, issuers }: Config): string {
  const keys = count(apiKeys.length, 'API key');
  return [count(mounts.length, 'mount'), keys, count(issuers.length, 'issuer')].join(', ');
}
