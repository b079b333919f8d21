/** The snippets inherit directives that the site itself has. */

export const FILE = 'hello, this is file a\n';
export const NAMES = ['a.txt', 'a.jpg', 'a.mp4', 'a.php', 'a.html', 'a'];
export const FILES = {
  ...Object.fromEntries(NAMES.map((name) => [name, FILE])),
  'b.txt': 'file b',
  '../www/index.html': 'the front page',
  '../www/50x.html': 'the page for errors',
  '../htpasswd': 'user:{PLAIN}password\n',
};
export const HTTP = `
  proxy_cache_path $files/../cache keys_zone=cache:1m;
  limit_req_zone $binary_remote_addr zone=requests:1m rate=1000r/s;
  limit_conn_zone $binary_remote_addr zone=connections:1m;
`;
export const LOCATIONS = `
  location / { root $files/../www; }
  location = /login { return 204; }
  location = /logout { return 401; }
  location = /mirror { return 200; }
`;
