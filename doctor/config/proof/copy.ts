import { join } from 'node:path';
import { LOCAL, ownListen, sameListen } from '../addresses.ts';
import { Context, Directive, type Http, type Location } from '../context.ts';

/** Directives that select a location, or send a file. Everything else stays out of the copy. */
const KEPT =
  /^(server_name|index|try_files|return|break|rewrite|internal|allow|deny|satisfy|auth_request|auth_request_set|autoindex|random_index|merge_slashes|disable_symlinks|error_page|recursive_error_pages|(map|variables|server_names|referer)_hash_\w+|set|valid_referers|underscores_in_headers|ignore_invalid_headers|add_(before|after)_body|empty_gif|proxy_(intercept_errors|pass_request_headers|set_header|ignore_headers|method)|fastcgi_(split_path_info|index)|open_file_cache_errors|server_name_in_redirect)$/;

/** Handlers of applications and of code: the doctor answers instead. */
const HANDLER =
  /^((proxy|fastcgi|uwsgi|scgi|grpc|memcached)_pass|content_by_lua\w*|js_content|perl|stub_status|api|mirror_pass)$/;

/** Modules that want a password or a login of their own. */
const LOGIN = /^auth_(jwt|oidc|ldap|pam|digest|spnego|gss|keycloak)$/;

/** Variables that each nginx has, and that are the same for a request on a Unix socket. */
const KNOWN_VARIABLES =
  /^(\d|arg_\w+|args|query_string|is_args|uri|document_uri|request|request_(uri|method|filename|id|body|length|time|completion|body_file)|document_root|realpath_root|http_\w+|cookie_\w+|host|hostname|remote_(addr|user|port)|binary_remote_addr|realip_\w+|server_(name|protocol|addr)|status|body_bytes_sent|bytes_sent|connection(_\w+)?|content_(type|length)|time_\w+|msec|pid|nginx_version|limit_rate|proxy_(host|port|add_x_forwarded_for)|fastcgi_(script_name|path_info)|invalid_referer|upstream_(addr|status|cache_status|response_\w+|connect_time|header_time)|pipe|tcpinfo_\w+|http2|http3|date_\w+|proxy_protocol_\w+)$/i;

/** Status codes that the doctor answers instead of an application. The first one is the usual one. */
export const ANSWERS_OF_COPY = ['502', '401', '403', '404', '200'] as const;

/** A configuration that nginx can run in a temporary folder. */
export interface Copy {
  readonly text: string;
  /** The directive of each line. */
  readonly lines: ReadonlyArray<Directive | undefined>;
  /** The blocks, whose index is in the header `Doctor`. */
  readonly blocks: readonly Context[];
  readonly sockets: ReadonlyMap<string, string>;
  /** Directives whose result is unknown: a variable that is a header in the copy. */
  readonly unknown: ReadonlySet<string>;
}

interface Options {
  readonly folder: string;
  /** The folder for relative paths. */
  readonly prefix: string;
  readonly ours: ReadonlySet<string>;
  /** Directives that nginx rejected in an earlier copy. */
  readonly dropped: ReadonlySet<Directive>;
  readonly isPrivate: (server: Location) => boolean;
}

export function copyOf(http: Http, { folder, prefix, ours, dropped, isPrivate }: Options): Copy {
  const lines: Array<readonly [text: string, at: Directive | undefined]> = [];
  const blocks: Context[] = [];
  const sockets = new Map<string, string>();
  const unknown = new Set<string>();
  const defined = variablesOf(http);
  const put = (text: string, at?: Directive) => void lines.push([text, at]);
  /** A line that another build of nginx may not know. */
  const optional = (text: string) => {
    const [key = ''] = text.split(' ');
    const at = OPTIONAL.get(key) ?? new Directive(key, [], http);
    OPTIONAL.set(key, at);
    if (!dropped.has(at)) put(text, at);
  };
  const socketOf = (listen: string) => {
    const key = sameListen(listen);
    const path = sockets.get(key) ?? join(folder, `s${sockets.size}`);
    sockets.set(key, path);
    return path;
  };
  const mirrored = (path: string) =>
    `${join(folder, 'm')}${/^[/$]/.test(path) ? path : join(prefix, '/', path)}`;

  /** A word of a directive, in which the doctor chooses what it cannot know. */
  function variable(word: string, at: Directive): string {
    return word.replace(/\$(?:\{(\w+)\}|(\d|\w+))/g, (all, inBraces, plain, start: number) => {
      const name = (inBraces ?? plain).toLowerCase();
      if (name === 'scheme') return `\${doctor_scheme}`;
      if (name === 'https') return `\${doctor_https}`;
      if (name === 'server_port') return `\${http_doctor_port}`;
      const isAnswer = /^(upstream_(http|cookie)|sent_http)_/.test(name);
      if (defined.has(name) || KNOWN_VARIABLES.test(name)) return all;
      if (isAnswer && ours.has(at.file)) return all;
      unknown.add(name);
      // Braces only where nginx needs them: the condition of an `if` cannot have any.
      const renamed = `http_doctor_v_${name}`;
      return /^\w/.test(word.slice(start + all.length)) ? `\${${renamed}}` : `$${renamed}`;
    });
  }

  function simple(at: Directive, words: readonly string[] = at.args, name = at.name): void {
    put(`${[name, ...words.map((word) => quote(variable(word, at)))].join(' ')};`, at);
  }

  function instrument(context: Context): void {
    put(`add_header Doctor "${blocks.push(context) - 1}" always;`);
    put('add_header Doctor-Uri $uri always;');
    put('add_header Doctor-File $request_filename always;');
    put('add_header Doctor-Root $document_root always;');
  }

  function body(context: Context, location: Location): void {
    let children = 0;
    for (const at of context.block) {
      const child =
        at.name === 'location' ? (context as Location).locations[children++] : undefined;
      if (dropped.has(at)) continue;
      if (child) block(at, child, child);
      else if (at.name === 'if') block(at, new Context(at, context), location);
      else if (at.name === 'limit_except') block(at, new Context(at, context), location);
      else line(at, context, location);
    }
  }

  function block(at: Directive, context: Context, location: Location): void {
    const words = at.name === 'if' ? condition(at.args) : at.args;
    put(`${[at.name, ...words.map((word) => quote(variable(word, at)))].join(' ')} {`, at);
    if (at.name === 'location' || (at.name === 'if' && location !== location.server))
      instrument(context);
    body(context, location);
    put('}');
  }

  /** In a test for a file, the path of a variable is not in the mirror. */
  function condition(args: readonly string[]): readonly string[] {
    const at = args.findIndex((word) => /^\(?!?-[fdex]$/.test(word));
    return args.map((word, index) =>
      index === at + 1 &&
      at >= 0 &&
      !/\$\{?(request_filename|document_root|realpath_root)/.test(word)
        ? mirrored(word)
        : word,
    );
  }

  function line(at: Directive, context: Context, location: Location): unknown {
    const { name, args } = at;
    const [first = ''] = args;
    const isInner = location.server !== undefined && isPrivate(location.server);
    if (name === 'root' || name === 'alias') return simple(at, [mirrored(first)]);
    if (HANDLER.test(name)) return pass(at, context);
    if (LOGIN.test(name) || name === 'auth_basic') {
      // The client could choose the file: the doctor asks as if it had the password.
      if (context.effective('auth_basic_user_file').some(({ words }) => words.includes('$')))
        return;
      simple(at, [LOGIN.test(name) && first !== 'off' ? 'doctor' : first], 'auth_basic');
      return put(`auth_basic_user_file ${join(folder, 'none')};`, at);
    }
    if (name === 'add_header') {
      if (/^x-accel-/i.test(first)) simple(at);
      return;
    }
    if (name === 'allow' || name === 'deny') {
      const isHere =
        isInner && context.effective('set_real_ip_from').length === 0 && LOCAL.test(first);
      return simple(at, isHere ? ['all'] : args);
    }
    if (/^(real_ip_header|real_ip_recursive)$/.test(name)) {
      if (isInner && first !== 'proxy_protocol') simple(at);
      return;
    }
    if (/_intercept_errors$/.test(name)) {
      if (!dropped.has(at)) simple(at, args, 'proxy_intercept_errors');
      return;
    }
    if (/_ignore_headers$/.test(name)) return simple(at, args, 'proxy_ignore_headers');
    if (KEPT.test(name) && at.block === undefined) simple(at);
  }

  /** Another server block of the same nginx, or the doctor's own answer. */
  function pass(at: Directive, context: Context): unknown {
    const [url = ''] = at.args;
    const own = at.name === 'proxy_pass' ? ownListen(constant(url, context), http) : undefined;
    if (own === undefined) return put('proxy_pass http://doctor_$doctor_answer;', at);
    const { listen, rest, host } = own;
    if (context.effective('proxy_set_header').length === 0)
      put(`proxy_set_header Host ${quote(host)};`);
    simple(at, [`http://unix:${socketOf(listen)}${rest && `:${rest}`}`]);
  }

  /** A URL whose variables have one constant value. */
  function constant(url: string, context: Context): string {
    return url.replace(/\$\{?(\w+)\}?/g, (all, name) => {
      const sets = [context, ...(context.parent?.name === 'http' ? [] : [context.parent])]
        .flatMap((one) => one?.own('set') ?? [])
        .filter(({ args }) => args[0] === `$${name}`);
      const [value = '$'] = sets.length === 1 ? [sets[0]?.args[1]] : [];
      return value.includes('$') ? all : value;
    });
  }

  put('daemon off;');
  put('master_process off;');
  put(`pid ${join(folder, 'pid')};`);
  put(`error_log ${join(folder, 'error.log')} crit;`);
  put('events { worker_connections 512; }');
  put('http {');
  put('access_log off;');
  put('keepalive_requests 1000000;');
  put('default_type text/plain;');
  if (!http.has('root')) put(`root ${mirrored('html')};`);
  for (const kind of ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) {
    optional(`${kind}_temp_path ${join(folder, `t-${kind}`)};`);
  }
  optional('set_real_ip_from unix:;');
  optional('real_ip_header Doctor-Address;');
  put('map $http_doctor_tls $doctor_scheme { default http; 1 https; }');
  put('map $http_doctor_tls $doctor_https { default ""; 1 on; }');
  put(
    `map $http_doctor_answer $doctor_answer { default 502; ${ANSWERS_OF_COPY.map((one) => `${one} ${one};`).join(' ')} }`,
  );
  for (const one of ANSWERS_OF_COPY) {
    const socket = join(folder, `b${one}`);
    put(`upstream doctor_${one} { server unix:${socket} max_fails=0; }`);
    // Nothing listens there, so nginx itself makes the 502.
    if (one !== '502') put(`server { listen unix:${socket}; return ${one}; }`);
  }
  put(`server { listen unix:${join(folder, 's')}; root ${folder}; allow all; auth_basic off;`);
  optional('auth_request off;');
  put('}');
  for (const at of http.block) {
    const { name, block: inner = [] } = at;
    if (dropped.has(at) || name === 'server' || name === 'upstream') continue;
    if (/^(map|geo|split_clients)$/.test(name)) {
      put(`${[name, ...at.args.map((word) => quote(variable(word, at)))].join(' ')} {`, at);
      for (const one of inner) {
        const words = one.args.map((word) => ` ${quote(variable(word, one))}`).join('');
        put(`${quote(one.name)}${words};`, one);
      }
      put('}');
    } else if (at.block === undefined) line(at, http, http as unknown as Location);
  }
  for (const server of http.servers) {
    put('server {', server);
    const listens = new Map<string, boolean>();
    for (const listen of server.listens) {
      const isDefault = server
        .own('listen')
        .some(
          ({ args: [address = '', ...words] }) =>
            sameListen(withPort(address)) === sameListen(listen) &&
            words.some((word) => /^default(_server)?$/.test(word)),
        );
      const socket = socketOf(listen);
      listens.set(socket, isDefault || (listens.get(socket) ?? false));
    }
    for (const [socket, isDefault] of listens) {
      put(`listen unix:${socket}${isDefault ? ' default_server' : ''};`, server);
    }
    if (isPrivate(server) && server.effective('set_real_ip_from').length > 0) {
      optional('set_real_ip_from unix:;');
      if (server.inForce('real_ip_header') === undefined) optional('real_ip_header X-Real-IP;');
      else if (!server.has('real_ip_header'))
        optional(`real_ip_header ${server.firstWord('real_ip_header')};`);
    } else if (isPrivate(server)) optional('real_ip_header Doctor-None;');
    instrument(server);
    body(server, server);
    put('}');
  }
  put('}');
  return {
    text: `${lines.map(([text]) => text.replaceAll('\n', ' ')).join('\n')}\n`,
    lines: lines.map(([, at]) => at),
    blocks,
    sockets,
    unknown,
  };
}

const OPTIONAL = new Map<string, Directive>();

function withPort(address: string): string {
  return /^(unix:.*|\d+|.*:\d+)$/.test(address) ? address : `${address}:80`;
}

/** The words of a variable, which nginx expands inside double quotes, too. */
function quote(word: string): string {
  return `"${word.replace(/["\\]/g, '\\$&')}"`;
}

/** The variables that the configuration defines itself. */
function variablesOf(http: Http): ReadonlySet<string> {
  const names = new Set<string>();
  const add = (name = '') => void names.add(name.replace(/^\$/, '').toLowerCase());
  const visit = (at: Directive): void => {
    if (/^(set|auth_request_set)$/.test(at.name)) add(at.args[0]);
    if (/^(map|geo|split_clients)$/.test(at.name)) add(at.args.at(-1));
    for (const word of [at.name, ...at.args]) {
      for (const [, name] of word.matchAll(/\(\?(?:P?<|')(\w+)[>']/g)) add(name);
    }
    for (const one of at.block ?? []) visit(one);
  };
  for (const at of http.block) visit(at);
  return names;
}
