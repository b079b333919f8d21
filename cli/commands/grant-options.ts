import { Option } from 'commander';
import { WrongUsage } from '../failure.ts';

/** The fields of `POST /tokens`, with hyphens for their underscores. The service checks what they hold. */
export function grantOptions(): Option[] {
  return [
    new Option('--path <path>', 'the public path of a file, as a file system shows it'),
    new Option('--prefix <prefix>', 'or of a folder, with a slash at its end'),
    new Option('--site <site>', "for which site, as nginx's $server_name"),
    whole('--expires-in <seconds>', 'in which a new requester may start'),
    new Option('--subject <subject>', 'whom it is for'),
    new Option('--target <uri>', "the internal URI that serves it instead of the mount's"),
    new Option(
      '--target-args <query>',
      'the query of the request for that URI, a presigned one say',
    ),
    whole('--max-uses <n>', 'how many requesters may use it'),
    whole('--resume-for <seconds>', 'in which a requester may go on, from its first use'),
    new Option('--bind <how>', 'by what a requester is known again').choices(['any', 'cookie']),
    new Option('--ip <address>', 'an address or range that may use it; may be repeated').argParser(
      (value, before: readonly string[] = []) => [...before, value],
    ),
    new Option('--filename <name>', 'under which a browser saves it'),
    new Option('--disposition <how>', 'whether it saves or opens it').choices([
      'attachment',
      'inline',
    ]),
    whole('--limit-rate <bytes>', 'a second and connection'),
    new Option('--cookie', 'for --prefix: the first use also sets it as a cookie'),
    new Option('--format <format>', 'of the token').choices(['opaque', 'jwt']),
    new Option('--no-revocable', 'for --format jwt: nothing of it is kept'),
  ];
}

function whole(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value) => {
    if (/^\d{1,15}$/.test(value)) return Number(value);
    throw new WrongUsage(`${flags.split(' ', 1)}: a whole number is needed`);
  });
}
