import { join } from 'node:path';
import { LOCAL, ownListen, sameListen } from '../addresses.ts';
import { Context, Directive, type Http, type Location } from '../context.ts';
import { STATUSES } from './answers.ts';
import { chosen, codesOf, conditionOf, type Free, valuesOf } from './free.ts';
import { HANDLER, KEPT, KNOWN_VARIABLES, LOGIN, variablesOf } from './kept.ts';

/** An address that the doctor adds to each `allow` for some addresses (RFC 5737). */
export const ALLOWED = '198.51.100.77';

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
  /** The server blocks that the doctor asks. */
  readonly wanted: ReadonlySet<Location>;
  readonly free: Free;
}

export function copyOf(
  http: Http,
  { folder, prefix, ours, dropped, isPrivate, wanted, free }: Options,
): Copy {
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
      if ((isAnswer && ours.has(at.file)) || name.startsWith('doctor_')) return all;
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

  /** The doctor can ask for the page of an error that it cannot cause, such as 413 or 503. */
  function errors(context: Location): void {
    const codes = wanted.has(context.server) ? codesOf(context) : [];
    if (codes.length > 0) put('set $doctor_code "$http_doctor_code$doctor_once";');
    for (const code of codes)
      put(`if ($doctor_code = ${code}) { set $doctor_once 1; return ${code}; }`);
  }

  function body(context: Context, location: Location): void {
    let children = 0;
    if (context === location) errors(location);
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
    const index = free.ifs.indexOf(at);
    const words = at.name === 'if' ? condition(at) : at.args;
    const own = words.map((word) => quote(variable(word, at))).join(' ');
    put(`${at.name} ${index < 0 ? own : chosenIf(at, index).words} {`, at);
    if (at.name === 'location' || (at.name === 'if' && location !== location.server))
      instrument(context);
    body(context, location);
    put('}');
  }

  const chosenIf = (at: Directive, index: number) =>
    chosen(at, index, {
      folder,
      write: (word) => quote(variable(word, at)),
      mirrored: tested,
    });

  /** The path of a test for a file. Those of some variables are in the mirror already. */
  const tested = (path: string) =>
    /\$\{?(request_filename|document_root|realpath_root)/.test(path) ? path : mirrored(path);

  function condition(at: Directive): readonly string[] {
    const { variable, operator, text } = conditionOf(at) ?? {};
    return variable === '' ? [`(${operator}`, `${tested(text ?? '')})`] : at.args;
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
      simple(at, isHere ? ['all'] : args);
      return name === 'allow' && put(`allow ${ALLOWED};`, at);
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
    `map $http_doctor_answer $doctor_answer { default 502; ${STATUSES.map((one) => `${one} ${one};`).join(' ')} }`,
  );
  for (const one of STATUSES) {
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
      const index = free.maps.indexOf(at);
      const own = index < 0 ? at.args.at(-1) : `$doctor_own_${index}`;
      const words = [...at.args.slice(0, -1), own ?? ''].map((word) => quote(variable(word, at)));
      put(`${[name, ...words].join(' ')} {`, at);
      for (const one of inner) {
        const words = one.args.map((word) => ` ${quote(variable(word, one))}`).join('');
        put(`${quote(one.name)}${words};`, one);
      }
      put('}');
      if (index < 0) continue;
      put(`map $http_doctor_map_${index} ${at.args.at(-1)} { volatile; default ${own};`);
      for (const [number, value] of valuesOf(at).entries())
        put(`${number} ${quote(variable(value, at))};`, at);
      put('}');
    } else if (at.block === undefined) line(at, http, http as unknown as Location);
  }
  for (const [index, at] of free.ifs.entries()) put(chosenIf(at, index).map, at);
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
