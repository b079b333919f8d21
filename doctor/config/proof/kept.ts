import type { Directive, Http } from '../context.ts';

/** Directives that select a location, or send a file. Everything else stays out of the copy. */
export const KEPT =
  /^(server_name|index|try_files|return|break|rewrite|internal|allow|deny|satisfy|auth_request|auth_request_set|autoindex|random_index|merge_slashes|disable_symlinks|gzip_static|error_page|recursive_error_pages|(map|variables|server_names|referer)_hash_\w+|set|valid_referers|underscores_in_headers|ignore_invalid_headers|add_(before|after)_body|empty_gif|proxy_(intercept_errors|pass_request_headers|set_header|ignore_headers|method)|fastcgi_(split_path_info|index)|open_file_cache_errors|server_name_in_redirect)$/;

/** Handlers of applications and of code: the doctor answers instead. */
export const HANDLER =
  /^((proxy|fastcgi|uwsgi|scgi|grpc|memcached)_pass|content_by_lua\w*|js_content|perl|stub_status|api|mirror_pass)$/;

/** Modules that want a password or a login of their own. */
export const LOGIN = /^auth_(jwt|oidc|ldap|pam|digest|spnego|gss|keycloak)$/;

/** Variables that each nginx has, and that are the same for a request on a Unix socket. */
export const KNOWN_VARIABLES =
  /^(\d|arg_\w+|args|query_string|is_args|uri|document_uri|request|request_(uri|method|filename|id|body|length|time|completion|body_file)|document_root|realpath_root|http_\w+|cookie_\w+|host|hostname|remote_(addr|user|port)|binary_remote_addr|realip_\w+|server_(name|protocol|addr)|status|body_bytes_sent|bytes_sent|connection(_\w+)?|content_(type|length)|time_\w+|msec|pid|nginx_version|limit_rate|proxy_(host|port|add_x_forwarded_for)|fastcgi_(script_name|path_info)|invalid_referer|upstream_(addr|status|cache_status|response_\w+|connect_time|header_time)|pipe|tcpinfo_\w+|http2|http3|date_\w+|proxy_protocol_\w+)$/i;

/** The variables that the configuration defines itself. */
export function variablesOf(http: Http): ReadonlySet<string> {
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
