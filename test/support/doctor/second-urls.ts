import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { add, FILE, isOpen, type Leak } from './others.ts';

/** Files of the internal location with a second URL. */
export const SECOND_URLS: Readonly<Record<string, Leak>> = {
  'files below the root of the server block': {
    broken: { server: 'root $files/..;' },
    leak: `/files/${FILE}`,
    config: 'second-url',
    live: 'root',
  },
  'the folder of the files as a root': {
    broken: { locations: 'location / {\nroot $files;\n}' },
    leak: `/${FILE}`,
    config: 'second-url',
    live: 'root',
  },
  'a second location for the files': {
    broken: { locations: 'location /open/ {\nalias $files/;\n}' },
    leak: `/open/${FILE}`,
    config: 'second-url',
  },
  'a location with files below the public prefix': {
    broken: { locations: 'location ^~ /download/open/ {\nalias $files/open/;\n}' },
    prepare: add('open/a.txt'),
    leak: '/download/open/a.txt',
    config: 'second-url',
  },
  'a regex location with a root over the files': {
    broken: { locations: 'location ~ \\.txt$ {\nroot $files/..;\n}' },
    leak: `/files/${FILE}`,
    config: 'second-url',
    live: 'root',
  },
  'a named location with a root over the files': {
    broken: {
      locations: `location / { root $files/../static; try_files $uri @old; }
        location @old {\nroot $files/..;\n}`,
    },
    leak: `/files/${FILE}`,
    config: 'second-url',
    live: 'root',
  },
  'another server block with a root over the files': {
    broken: {
      http: 'server {\nlisten 127.0.0.1:$front;\nserver_name old.example;\nroot $files/..;\n}',
    },
    leak: ({ files, nginx }) =>
      isOpen({ files, url: `http://127.0.0.1:${nginx.ports[1]}/` }, `/files/${FILE}`),
    config: 'second-url',
  },
  'an application in the same nginx with a root over the files': {
    broken: {
      http: 'server {\nlisten unix:$dir/app.sock;\nroot $files/..;\n}',
      locations: 'location /app/ { proxy_pass http://unix:$dir/app.sock:/; }',
    },
    leak: `/app/files/${FILE}`,
    config: 'second-url',
  },
  'a rewrite to the files': {
    broken: {
      locations: 'location /dl/ {\nrewrite ^/dl/(.*)$ /files/$1 break;\nroot $files/..;\n}',
    },
    leak: `/dl/${FILE}`,
    config: 'second-url',
  },
  'try_files with the folder of the files': {
    broken: {
      locations: 'location ~ ^/pub/(.*)$ {\nroot $files/..;\ntry_files /files/$1 =404;\n}',
    },
    leak: `/pub/${FILE}`,
    config: 'second-url',
  },
  'a symbolic link below another root': {
    broken: { server: 'root $files/../static;' },
    prepare: (folder) => symlink(join(folder, 'files'), join(folder, 'static', 'ln')),
    leak: `/ln/${FILE}`,
    config: 'second-url',
  },
  'several symbolic links below another root': {
    broken: { locations: 'location / {\nroot $files/../static;\n}' },
    async prepare(folder) {
      await mkdir(join(folder, 'static', 'deep'));
      await symlink('../files/postern-doctor', join(folder, 'static', 'a'));
      await symlink('../../files', join(folder, 'static', 'deep', 'b'));
    },
    leak: `/deep/b/${FILE}`,
    config: 'second-url',
  },
  'a symbolic link to one file': {
    broken: { server: 'root $files/../static;' },
    prepare: (folder) => symlink(join(folder, 'files', FILE), join(folder, 'static', 'a b.txt')),
    leak: '/a%20b.txt',
    config: 'second-url',
  },
  'a root that is a symbolic link': {
    broken: { server: 'root $dir/slink;' },
    prepare: (folder, { nginx }) => symlink(folder, join(nginx.dir, 'slink')),
    leak: `/files/${FILE}`,
    config: 'second-url',
    live: 'root',
  },
  'a symbolic link to a folder above it': {
    broken: { server: 'root $files/../static;' },
    prepare: (folder) => symlink(folder, join(folder, 'static', 'up')),
    leak: `/up/static/up/files/${FILE}`,
    config: 'second-url',
  },
  'a symbolic link behind a symbolic link': {
    broken: { server: 'root $files/../static;' },
    async prepare(folder) {
      await mkdir(join(folder, 'other'));
      await symlink('../files', join(folder, 'other', 'b'));
      await symlink('../other', join(folder, 'static', 'a'));
    },
    leak: `/a/b/${FILE}`,
    config: 'second-url',
  },
  'a root with a variable': {
    broken: { http: 'map $host $folder { default $files/..; }', server: 'root $folder;' },
    leak: `/files/${FILE}`,
    config: 'second-url',
    live: 'root',
  },
  'a root in an if': {
    broken: { locations: 'location / { if ($arg_x = "") { root $files/..; } }' },
    leak: `/files/${FILE}`,
    config: 'second-url',
    live: 'root',
  },
};
