/** Directives for the http block and the server block. */
export const ANYWHERE: Readonly<Record<string, string>> = {
  'a cache': 'proxy_cache cache; proxy_cache_valid any 10m;',
  'a cache that ignores Cache-Control': `
    proxy_cache cache; proxy_cache_valid any 10m; proxy_cache_methods GET HEAD POST;
    proxy_ignore_headers X-Accel-Expires Expires Cache-Control Set-Cookie Vary;`,
  'a cache for one key': 'proxy_cache cache; proxy_cache_valid any 10m; proxy_cache_key one;',
  'a store': 'proxy_store $files/../www/stored; proxy_store_access all:rw;',
  'intercepted errors': `
    proxy_intercept_errors on; error_page 401 403 =200 /index.html;
    error_page 404 = /index.html; error_page 500 502 503 504 /50x.html;`,
  'a page for each error': 'error_page 400 401 403 404 405 416 500 502 503 504 =200 /index.html;',
  'recursive error pages': `
    recursive_error_pages on; proxy_intercept_errors on;
    error_page 400 401 403 404 500 502 503 504 =200 /index.html;`,
  'an error page that is the file': `
    recursive_error_pages on; error_page 401 403 404 500 503 =200 /protected/a.txt;`,
  ssi: 'ssi on; ssi_types *;',
  gzip: 'gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;',
  gzip_static: 'gzip_static always;',
  gunzip: 'gunzip on;',
  autoindex: 'autoindex on;',
  index: 'index a.txt;',
  'satisfy any': 'satisfy any; allow all;',
  'satisfy any, and a password': `
    satisfy any; allow all; auth_basic site; auth_basic_user_file $files/../htpasswd;`,
  auth_basic: 'auth_basic site; auth_basic_user_file $files/../htpasswd;',
  'an auth_request that passes': 'auth_request /login;',
  'an auth_request that does not': 'auth_request /logout;',
  auth_request_set: 'auth_request_set $postern_target /protected/a.txt;',
  'X-Accel-Redirect ignored': 'proxy_ignore_headers X-Accel-Redirect X-Accel-Limit-Rate;',
  'request headers': `
    proxy_set_header X-Original-URI /download/a.txt; proxy_set_header X-Original-Method GET;
    proxy_set_header Postern-Cookie x; proxy_pass_request_headers on;`,
  'hidden headers': `
    proxy_hide_header Postern-Target; proxy_hide_header Content-Type;
    proxy_hide_header X-Accel-Redirect; proxy_hide_header WWW-Authenticate;`,
  'passed headers': `
    proxy_pass_header X-Accel-Redirect; proxy_pass_header Postern-Token-Id;`,
  'a method': 'proxy_method POST; proxy_pass_request_body on;',
  'another request body': 'proxy_set_body GET;',
  'HTTP/1.0': 'proxy_http_version 1.0;',
  'no buffering': 'proxy_buffering off; proxy_request_buffering off;',
  'small buffers': 'proxy_buffer_size 1k; proxy_buffers 2 1k; proxy_busy_buffers_size 1k;',
  'another upstream next': `
    proxy_next_upstream http_403 http_404 http_500 non_idempotent; proxy_next_upstream_tries 0;`,
  'redirects and cookies': `
    proxy_redirect / /elsewhere/; proxy_cookie_path / /elsewhere/; proxy_force_ranges on;`,
  'public caching': 'expires max; add_header Cache-Control "public, max-age=9999" always;',
  add_header: 'add_header Strict-Transport-Security max-age=9 always;',
  'a root over the files': 'root $files/..;',
  'a root at the files': 'root $files;',
  'slashes not merged': 'merge_slashes off;',
  underscores: 'underscores_in_headers on; ignore_invalid_headers off;',
  'a rate': 'limit_rate 100k; limit_rate_after 1k;',
  limits: 'limit_req zone=requests burst=1000 nodelay; limit_conn connections 100;',
  mirror: 'mirror /mirror; mirror_request_body on;',
  types: 'types { } default_type text/html; charset utf-8;',
  'subrequests in the log': 'log_subrequest on;',
  'open files cached': 'open_file_cache max=100; open_file_cache_errors on;',
  'no keepalive': 'keepalive_timeout 0;',
  'direct input': 'sendfile off; directio 512; output_buffers 1 4k;',
  'neither ETag nor dates': 'etag off; if_modified_since off; chunked_transfer_encoding off;',
  slice: 'slice 5;',
  'writing methods': 'dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on;',
};

/** Directives only for the server block. */
export const SERVER: Readonly<Record<string, string>> = {
  try_files: 'root $files/../www; try_files $uri /index.html;',
  'try_files into the folder': 'root $files/..; try_files /protected$uri $uri /index.html;',
  'a rewrite': 'rewrite ^/old/(.*)$ /download/$1; rewrite ^/older/(.*)$ /accel/$1;',
  'a rewrite of all other paths': 'rewrite ^/static(/.*)$ $1 last;',
  'a regex location': 'location ~* \\.(jpg|txt|mp4|html)$ { root $files; }',
  'a regex location for PHP': 'location ~ \\.php$ { root $files/..; return 200 "run"; }',
  'a regex location for all': 'location ~ ^/(download|accel|protected)/(.*) { alias $files/$2; }',
  'a greedy root location': 'location ~ / { root $files/../www; }',
};
