import { type Command, Option } from 'commander';
import { type ApiClient, notPostern, openApi } from '../../common/api-client.ts';
import { UsageError } from '../../common/errors.ts';
import { type ApiOptions, addApiOptions, collect, example, flagOf } from '../../common/options.ts';
import { jsonLine, print } from '../../common/terminal.ts';
import { GRANT_FIELDS, type GrantField } from '../../service/token/grant-fields.ts';
import { issuedLine, issueLines, noteWarning, optionOf, readSecret } from './issue.ts';
import { listText, listTokens, queryOf, stateText, timeOf } from './show.ts';

type CommonOptions = ApiOptions & { readonly json?: true };

/** The fields of `POST /tokens`. */
type Fields = Record<string, string | number | boolean | readonly string[]>;

type IssueOptions = CommonOptions & { readonly lines?: true } & Fields;

type Selected = CommonOptions & { readonly subject?: string; readonly client?: string };

const ADMIN_HELP = 'another client needs an API key with admin: true';

const KEY_HELP = `
The API key comes from POSTERN_API_KEY or --key-file. It is never an argument: every user of the machine
can read arguments (ps) while the command runs.`;

const ID_HELP = 'the token ID from the response or the log; put -- before an ID that begins with -';

/** The hint after an error: commander reads such an ID as an option. */
const HYPHEN_HELP = '(put -- before a token ID that begins with a hyphen; see --help)';

const EXPLAIN_HELP = `
The token is not an argument either. The command looks up an opaque token with the API. It verifies a JWT itself,
with the code and the configuration of the service (POSTERN_CONFIG and the other variables). It does not look up a
JWT in the store: for that, use postern token introspect.

Exit status: 0 valid, 1 not valid or not verified, 2 usage error or invalid configuration.`;

const INTROSPECT_HELP = `
The token is not an argument either. The service looks it up, also if it is a JWT (POST /introspect). To see which
check of a JWT fails, use postern token explain.

Exit status: 0 active, 1 not active or no response, 2 usage error.`;

const EXPLAINING = [
  [
    'explain',
    'Read a token from standard input: what it opens, or why Postern rejects it.',
    EXPLAIN_HELP,
  ],
  [
    'introspect',
    'Read a token from standard input, and print its state from the service.',
    INTROSPECT_HELP,
  ],
] as const;

export function addToken(program: Command, env: NodeJS.ProcessEnv): void {
  const token = program
    .command('token')
    .description('Issue, show, list, prolong, revoke, introspect and explain tokens.')
    .addHelpText('after', KEY_HELP)
    .addHelpText('after', example('postern token issue --path /download/hello.txt'));

  const issue = common(token.command('issue'))
    .description('Issue a token, and print the URL that opens the file or the folder.')
    .option(
      '--lines',
      'read requests from standard input, one JSON object per line: {"path": "/…"}',
    );
  for (const option of grantOptions()) issue.addOption(option);
  issue
    .addHelpText('after', example('postern token issue --path /download/hello.txt --max-uses 1'))
    .action(async ({ api, keyFile, json, lines, ...fields }: IssueOptions) => {
      const asked = fieldsOf(fields as Fields);
      const names = Object.keys(asked);
      if (lines && names.length > 0) {
        throw new UsageError(
          `--lines does not work with other fields (${names.join(', ')}): each line has its own`,
        );
      }
      if (!lines && 'path' in asked === 'prefix' in asked) {
        throw new UsageError('pass exactly one of --path, --prefix and --lines');
      }
      const service = await openApi({ api, keyFile }, env);
      if (!lines) {
        if ('pin' in asked) asked.pin = await readSecret(process.stdin, 'PIN');
        const answer = await service.ask('POST', '/tokens', JSON.stringify(asked), optionOf);
        noteWarning(answer);
        return print(issuedLine(answer, json));
      }
      await issueLines(service, process.stdin, json);
    });

  common(token.command('show'))
    .showHelpAfterError(HYPHEN_HELP)
    .description('Show the state of a token: what it opens, until when, and its requesters.')
    .argument('<id>', ID_HELP)
    .addHelpText('after', example('postern token show e-SE8A6GH9iOzDIMcEWWDx'))
    .action(async (id: string, options: CommonOptions) => {
      const state = await ask(options, 'GET', pathOf(id));
      await print(options.json ? jsonLine(state) : stateText(state));
    });

  common(token.command('prolong'))
    .showHelpAfterError(HYPHEN_HELP)
    .description('Change when a token ends, and show its new state.')
    .argument('<id>', ID_HELP)
    .requiredOption('--expires-in <seconds>', 'the new end, in seconds from now', (value) =>
      wholeNumber('expires-in', value),
    )
    .addHelpText('after', example('postern token prolong e-SE8A6GH9iOzDIMcEWWDx --expires-in 600'))
    .action(async (id: string, options: CommonOptions & { expiresIn: number }) => {
      const body = JSON.stringify({ expires_in: options.expiresIn });
      const state = await ask(options, 'PATCH', pathOf(id), body, optionOf);
      await print(options.json ? jsonLine(state) : stateText(state));
    });

  for (const [command, description, help] of EXPLAINING) {
    common(token.command(command))
      .description(description)
      .addHelpText('after', help)
      .addHelpText('after', example(`postern token ${command} < token.txt`))
      .action(async (options: CommonOptions) => {
        const { explain } = await import('./explain.ts');
        const read = await readSecret(process.stdin, 'token');
        const explained = await explain(command, read, () => openApi(options, env), env);
        await print(options.json ? jsonLine(explained) : stateText(explained));
        if (!explained.active) process.exitCode = 1;
      });
  }

  common(token.command('revoke'))
    .showHelpAfterError(HYPHEN_HELP)
    .description('Revoke a token, or all tokens of a subject or of a client.')
    .argument('[id]', 'a token ID; put -- before an ID that begins with -')
    .option('--subject <subject>', 'revoke all tokens of this subject')
    .option('--client <id>', `revoke all tokens of this client; ${ADMIN_HELP}`)
    .addHelpText('after', example('postern token revoke --subject user-42'))
    .action(async (id: string | undefined, options: Selected) => {
      const { json, subject, client } = options;
      const isSelected = subject !== undefined || client !== undefined;
      if ((id !== undefined) === isSelected) {
        throw new UsageError('pass a token ID, or --subject, --client or both');
      }
      if (id !== undefined) {
        await ask(options, 'DELETE', pathOf(id));
        return print(json ? jsonLine({ revoked: 1 }) : `${id} is revoked.\n`);
      }
      const answer = await ask(options, 'DELETE', `/tokens?${queryOf({ subject, client })}`);
      const { revoked, signed_before: before } = answer;
      if (typeof revoked !== 'number') throw notPostern(200);
      const signed =
        typeof before === 'number' ? ` JWTs that issuers signed before ${timeOf(before)} end.` : '';
      await print(json ? jsonLine(answer) : `${revoked} revoked.${signed}\n`);
    });

  common(token.command('list'))
    .description(
      'List live tokens, ordered by their end. Without options, all that this client issued.',
    )
    .option('--subject <subject>', 'only those of this subject')
    .option('--path <path>', 'only those with exactly this path or prefix')
    .option('--client <id>', `those of this client; ${ADMIN_HELP}`)
    .addHelpText('after', example('postern token list --subject user-42'))
    .action(async (options: Selected & { readonly path?: string }) => {
      const { json, subject, path, client } = options;
      const service = await openApi(options, env);
      const tokens = await listTokens(service, { subject, path, client });
      const fields = subject === undefined ? ['max_uses', 'subject'] : ['max_uses'];
      await print(json ? jsonLine({ tokens }) : listText(tokens, fields));
    });

  async function ask(options: ApiOptions, ...request: Parameters<ApiClient['ask']>) {
    const service = await openApi(options, env);
    return (await service.ask(...request)) as Record<string, unknown>;
  }
}

function pathOf(id: string): string {
  if (/^[\w-]{22}$/.test(id)) return `/tokens/${id}`;
  throw new UsageError(
    'a token ID has 22 letters, digits, - or _; pass the ID, not the token itself',
  );
}

function common(command: Command): Command {
  return addApiOptions(command)
    .option('--json', 'print the whole response as JSON')
    .addHelpText('after', KEY_HELP);
}

/** The request of these options, which have the names of the fields. */
function fieldsOf({ revocable, ...others }: Fields): Fields {
  // --no-revocable makes commander set `true` if the option is absent.
  const given = revocable === false ? { revocable, ...others } : others;
  const nameOf = (option: string) => flagOf(option).slice(2).replaceAll('-', '_');
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [nameOf(name), value]));
}

/** An option for each field of `POST /tokens`. The service checks the values. */
export function grantOptions(): Option[] {
  return Object.entries<GrantField>(GRANT_FIELDS).map(([name, field]) => {
    const { type, description } = field;
    const flag = name.replaceAll('_', '-');
    if (type === 'choice') return new Option(`--${flag} <choice>`, description).choices(field.of);
    if (type === 'flag') {
      return field.default === true
        ? new Option(`--no-${flag}`, description.replace('false: ', ''))
        : new Option(`--${flag}`, description);
    }
    if (field.value === undefined) {
      return new Option(`--${flag}`, `${description}; read from standard input`);
    }
    const more = type === 'list' ? '; may be repeated' : '';
    const option = new Option(`--${flag} <${field.value}>`, description + more);
    if (type === 'list') return option.argParser(collect);
    return type === 'whole' ? option.argParser((value) => wholeNumber(flag, value)) : option;
  });
}

function wholeNumber(flag: string, value: string): number {
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw new UsageError(`--${flag}: expected a whole number`);
}
