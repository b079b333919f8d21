import { Option } from 'commander';
import { WrongUsage } from '../failure.ts';

/** The fields of `POST /tokens`, with hyphens for their underscores. The service checks what they hold. */
export function grantOptions(): Option[] {
  return [
    new Option('--path <path>', 'the public path of a file, not percent-encoded'),
    new Option('--prefix <prefix>', 'the public path of a folder, with a final slash'),
    new Option('--site <site>', "the site, as nginx's $server_name"),
    whole('--expires-in <seconds>', 'how long a new requester may start'),
    new Option('--subject <subject>', 'a name for the user, to find and revoke tokens by'),
    new Option('--target <uri>', "the internal URI that serves it, instead of the mount's"),
    new Option('--target-args <query>', 'the query for that URI, for example a presigned one'),
    whole('--max-uses <n>', 'how many requesters may use it'),
    whole('--resume-for <seconds>', 'how long a requester may resume after its first use'),
    new Option('--bind <how>', 'how Postern recognizes a requester').choices(['any', 'cookie']),
    new Option('--ip <address>', 'an address or range that may use it; repeatable').argParser(
      (value, before: readonly string[] = []) => [...before, value],
    ),
    new Option('--filename <name>', 'the name under which a browser saves the file'),
    new Option('--disposition <how>', 'whether a browser saves or opens the file').choices([
      'attachment',
      'inline',
    ]),
    whole('--limit-rate <bytes>', 'bytes per second and connection'),
    new Option('--cookie', 'for --prefix: the first use sets the token as a cookie'),
    new Option('--format <format>', 'format of the token').choices(['opaque', 'jwt']),
    new Option(
      '--no-revocable',
      'for --format jwt: Postern stores nothing, and the token cannot be revoked',
    ),
  ];
}

function whole(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value) => {
    if (/^\d{1,15}$/.test(value)) return Number(value);
    throw new WrongUsage(`${flags.split(' ', 1)}: expected a whole number`);
  });
}
