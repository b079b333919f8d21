import { FILE, get, testTraps } from './trap.ts';

// Files of an internal location with a second URL: each one is shown on nginx, found, and fixed.

/** A root of the site with the files in it. */
const UNDER_ROOT = {
  found: ['second-url: root $files/..;'],
  ask: get('/files/a.txt'),
  sees: [FILE, 404],
} as const;
const IN_SUB = { ...UNDER_ROOT, ask: get('/files/sub/c.txt'), sees: ['file c', 404] } as const;

const PASSWORD = 'auth_basic site; auth_basic_user_file none; satisfy any;';

testTraps({
  'files under a root of the site': {
    ...UNDER_ROOT,
    broken: { server: 'root $files/..;' },
    fixed: { server: 'root $files/../www;' },
  },
  'files under a root, with a location that returns 404 for them': {
    ...UNDER_ROOT,
    both: { server: 'root $files/..;' },
    broken: { locations: 'location /file { }' },
    fixed: { locations: 'location ^~ /files/ { return 404; }' },
  },
  'files that another location also serves': {
    found: ['second-url: alias $files/sub/;'],
    broken: { locations: 'location /open/ {\nalias $files/sub/;\n}' },
    fixed: { locations: 'location /open/ { deny all; alias $files/sub/; }' },
    ask: get('/open/c.txt'),
    sees: ['file c', 403],
  },
  'a regex location with a root over the files': {
    ...UNDER_ROOT,
    broken: { locations: 'location ~ \\.txt$ {\nroot $files/..;\n}' },
    fixed: {
      locations: 'location ~ \\.txt$ { root $files/..; }\nlocation ^~ /files/ { return 404; }',
    },
  },
  'a longer location below the files': {
    ...IN_SUB,
    both: { server: 'root $files/..;' },
    broken: { locations: 'location /files/sub/ { } location ^~ /files/ { return 404; }' },
    // An exact location of a folder serves no file.
    fixed: { locations: 'location = /files/sub/ { } location ^~ /files/ { return 404; }' },
  },
  'an exact location beside the location that serves the files': {
    found: ['second-url: root $files;'],
    both: { server: 'root $files;' },
    broken: { locations: 'location = / { return 404; }' },
    fixed: { locations: 'location / { return 404; }' },
    ask: get('/a.txt'),
    sees: [FILE, 404],
  },
  'a regex location inside a location with ^~': {
    ...UNDER_ROOT,
    broken: {
      locations: `location ^~ /files/ { return 404; location ~ \\.txt$ {\nroot $files/..;\n} }`,
    },
    fixed: {
      locations: `location ^~ /files/ { return 404;
        location ^~ /files/ { return 404; } location ~ \\.txt$ { root $files/..; } }`,
    },
  },
  'a regex location that a longer location without ^~ leads to': {
    ...IN_SUB,
    broken: {
      locations: `location ^~ /files/ { return 404; } location /files/sub/ { return 404; }
        location ~ \\.txt$ {\nroot $files/..;\n}`,
    },
    fixed: {
      locations: `location ^~ /files/ { return 404; } location ^~ /files/sub/ { return 404; }
        location ~ \\.txt$ { root $files/..; }`,
    },
  },
  'files under a root that denies one address': {
    ...UNDER_ROOT,
    both: { locations: 'location / {\nroot $files/..;\n}' },
    broken: { server: 'deny 192.0.2.1;' },
    fixed: { server: 'deny all;' },
    sees: [FILE, 403],
  },
  'files under a root with satisfy any: an address replaces the password': {
    ...UNDER_ROOT,
    both: { server: PASSWORD },
    broken: { locations: 'location / {\nallow all;\nroot $files/..;\n}' },
    fixed: { locations: 'location / { allow 192.0.2.1; deny all; root $files/..; }' },
    sees: [FILE, 401],
  },
  'a named location that serves files not found elsewhere': {
    ...UNDER_ROOT,
    broken: {
      locations: `location / { root $files/../www; try_files $uri @old; }
        location @old {\nroot $files/..;\n}`,
    },
    fixed: {
      locations: `location / { root $files/../www; try_files $uri @old; }
        location @old { root $files/..; }
        location ^~ /files/ { return 404; }`,
    },
  },
  'another internal location that serves files not found elsewhere': {
    found: ['second-url: alias $files/;'],
    broken: {
      locations: `location / { root $files/../www; try_files $uri /old$uri; }
        location ^~ /old/ { internal;\nalias $files/;\n}`,
    },
    fixed: {
      locations: `location / { root $files/../www; try_files $uri /index.html; }
        location ^~ /old/ { internal; alias $files/; }`,
    },
    ask: get('/a.txt'),
    sees: [FILE, 'the front page'],
  },
  'a return after a break': {
    ...UNDER_ROOT,
    broken: {
      locations: 'location / { if ($arg_y = "") { break; } return 404;\nroot $files/..;\n}',
    },
    fixed: { locations: 'location / { return 404; root $files/..; }' },
  },
});
