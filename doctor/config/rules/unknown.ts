import { behind } from '../addresses.ts';
import type { Directive } from '../context.ts';
import type { Rule, SiteConfig, Trap } from '../site.ts';
import { blocksOf } from '../values.ts';

/** The directives of nginx that the doctor knows, and of other modules that do not choose a file or a location. */
const KNOWN =
  /^(?!proxy_connect(_(allow|address))?$)(daemon|debug_points|events|http|load_module|lock_file|mail|master_process|pcre_jit|pid|stream|thread_pool|timer_resolution|user|worker_\w+|working_directory|(absolute|server_name_in|port_in)_redirect|aio(_write)?|alias|allow|deny|ancient_browser|modern_browser|break|default_type|directio(_alignment)?|disable_symlinks|early_hints|empty_gif|env|error_(log|page)|etag|expires|flv|geo|if|if_modified_since|ignore_invalid_headers|include|index|internal|large_client_header_buffers|limit_except|limit_rate(_after)?|listen|location|log_(format|not_found|subrequest)|map|(map|referer|server_names|types|variables)_hash_\w+|max_(ranges|headers)|merge_slashes|min_delete_depth|msie_\w+|output_buffers|override_charset|source_charset|postpone_output|random_index|read_ahead|(recursive|create)_(error_pages|full_put_path)|reset_timedout_connection|resolver(_timeout)?|return|rewrite(_log)?|root|satisfy|send_(lowat|timeout)|sendfile(_max_chunk)?|server(_name|_tokens)?|set(_real_ip_from)?|slice|split_clients|stub_status|subrequest_output_buffer_size|tcp_(nodelay|nopush)|try_files|types|underscores_in_headers|uninitialized_variable_warn|upstream(_conf)?|valid_referers|xml_entities|zone|(access_log|add|addition|api|auth|autoindex|charset|chunked|client|connection_pool|dav|fastcgi|geoip2?|grpc|gunzip|gzip|hls|http2|http3|image_filter|js|keepalive|keyval|limit_conn|limit_req|lingering|memcached|mirror|mp4|open_file_cache|open_log_file_cache|perl|proxy|quic|real_ip|request_pool|scgi|secure_link|session_log|ssi|ssl|status|sub_filter|userid|uwsgi|xslt|brotli|zstd|more|modsecurity|vhost_traffic_status|otel|opentracing|lua|(init|init_worker|exit_worker|log|header_filter|body_filter|ssl_\w+|balancer|content|set)_by_lua)(_\w+)?)$/;

/** Parts of a configuration that can lead to files in a way that the doctor does not know. */
export const unknown: Rule = ({ http, snippets, internals }: SiteConfig) => {
  const ours = new Set(snippets.map(({ file }) => file));
  const kinds = http.blocks.filter(({ modifier }) => modifier === '?');
  const inBlocks = http.blocks.flatMap(blocksOf).flatMap(({ block }) => block);
  const lines = [...new Set([...http.main.block, ...http.block, ...inBlocks])];
  const others = lines.filter((one) => !ours.has(one.file) && !KNOWN.test(one.name));
  const proxies = internals.filter((one) => !behind(one, http).every(({ isHandled }) => isHandled));
  return [
    ...proxies.map((at) => open(at, `${at.words} gets its files from another server block`)),
    ...kinds.map((at) =>
      open(at, `${at.words} is a kind of location that the doctor does not know`),
    ),
    ...others.map((at) => open(at, `the doctor does not know the directive ${at.name}`)),
  ];
};

function open(at: Directive, seen: string): Trap {
  return {
    at,
    seen,
    why: 'It can lead to the files without a token.',
    fix: 'find out whether it does; if not, write at this line: # postern-doctor: accept REASON',
    verdict: 'question',
  };
}
