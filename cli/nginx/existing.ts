import { resolve } from 'node:path';
import { readSnippet } from '../../common/package.ts';
import {
  Directive,
  Http,
  type Location,
  type Position,
  quoted,
} from '../../doctor/config/context.ts';
import { createDisk } from '../../doctor/config/disk.ts';
import { parse } from '../../doctor/config/parse.ts';
import { headerName } from '../../doctor/config/rules/delivery.ts';
import { urlsOf } from '../../doctor/config/rules/second-url.ts';
import { tokenLogs } from '../../doctor/config/rules/server.ts';
import { isBefore } from '../../doctor/config/version.ts';
import { HTTP_FILE, type Plan } from './plan.ts';
import { type ServerPlan, serverFile, siteFile } from './sites.ts';
import { sameListen } from './values.ts';

/** The server blocks for a site that the operator wrote. */
function serversOf({ existing, folder }: Plan, site: ServerPlan): readonly Location[] {
  const written = resolve(folder, serverFile(site));
  return (existing?.http.servers ?? []).filter(
    ({ file, names }) =>
      file !== written && names.some((name) => site.names.includes(name.toLowerCase())),
  );
}

/** The operator's server blocks that serve the site, without those that only redirect. */
function ownServers(plan: Plan, site: ServerPlan): readonly Location[] {
  const found = serversOf(plan, site).filter((server) => !server.has('return'));
  const isTls = ({ args }: Directive) => args.includes('ssl') || args.includes('quic');
  const secure = found.filter((server) => server.own('listen').some(isTls));
  return secure.length > 0 ? secure : found;
}

/**
 * Whether all server blocks of the operator have an access_log, so that the site needs no other. A server block
 * without one would inherit that of the http block, with tokens.
 */
export function hasOwnLog(plan: Plan, site: ServerPlan): boolean {
  const written = resolve(plan.folder, siteFile(site));
  const servers = ownServers(plan, site);
  const hasLog = (server: Location) =>
    server.own('access_log').some(({ file }) => file !== written);
  return servers.length > 0 && servers.every(hasLog);
}

/**
 * Keeps the headers of the server block on delivered files, such as Strict-Transport-Security. With `merge`,
 * a header that internal.conf has too would be sent twice.
 */
export function keptHeaders(plan: Plan, site: ServerPlan): string[] {
  const { version } = plan;
  const sent = ['file.conf', 'cors-headers.conf']
    .flatMap((name) => parse(readSnippet(name), ''))
    .filter(({ name }) => name === 'add_header')
    .map(headerName);
  const inherited = ownServers(plan, site).flatMap((server) => server.effective('add_header'));
  const kept = inherited.filter((line) => !sent.includes(headerName(line)));
  const areApart = plan.origins.length === 0 && kept.length === inherited.length;
  if (areApart && version !== undefined && !isBefore(version, [1, 29, 3]))
    return ['add_header_inherit merge;'];
  if (kept.length === 0) return [];
  return [
    '# From the server block: the add_header lines of internal.conf replace those above them.',
    ...new Set(kept.map((one) => one.text)),
  ];
}

/** With --error-pages, the error pages of the server block. A page that its nginx sends with 200 would hide a denial. */
export function keptPages(plan: Plan, site: ServerPlan): string[] {
  if (!plan.errorPages) return [];
  const lines = ownServers(plan, site).flatMap((server) => server.effective('error_page'));
  const kept = lines.flatMap(({ args }) => {
    const page = quoted(args.at(-1) ?? '');
    const isPage = /^\/[^$]*$/.test(page) && !args.some((word) => word.startsWith('='));
    const has = (...statuses: readonly string[]) => args.filter((word) => statuses.includes(word));
    const [denials, errors] = [has('400', '401', '403'), has('500', '502', '503', '504')];
    return [
      isPage && denials.length > 0 && `error_page ${denials.join(' ')} ${page};`,
      isPage && errors.length > 0 && `error_page ${errors.join(' ')} =503 ${page};`,
    ].filter((line) => line !== false);
  });
  return [...new Set(kept)];
}

/** Conflicts with the existing configuration: lines that nginx would reject or ignore, with their position. */
export function collisions(plan: Plan): string[] {
  const { existing, folder } = plan;
  if (existing === undefined) return [];
  const ours = ['postern', ...plan.storages.map(({ upstream }) => upstream)];
  const found = existing.http
    .own('upstream')
    .filter(({ args, file }) => ours.includes(args[0] ?? '') && file !== resolve(folder, HTTP_FILE))
    .map((at) => `${place(at)}: upstream ${at.args[0]} exists: remove it`);
  for (const site of plan.sites) {
    const servers = serversOf(plan, site);
    const prefixes = [...site.publics, ...site.internals];
    for (const at of servers.flatMap(({ locations }) => locations)) {
      const isSame = at.isPrefix && prefixes.includes(at.path);
      if (isSame && at.file !== resolve(folder, siteFile(site))) {
        found.push(`${place(at)}: location ${at.path} exists: remove it`);
      }
    }
    if (!plan.server) continue;
    const asked = [...plan.listens, ...plan.redirects].map(sameListen);
    for (const server of servers) {
      for (const listen of server.listens.filter((one) => asked.includes(sameListen(one)))) {
        found.push(`${place(server)}: a server block for ${site.name} listens on ${listen}`);
      }
    }
  }
  return found;
}

/** The steps that the operator must do after the files were written. */
export function remaining(plan: Plan): string[] {
  const { existing, folder, sites } = plan;
  const left: string[] = [];
  if (existing !== undefined && !existing.files.includes(resolve(folder, HTTP_FILE))) {
    left.push(
      `add this line at the beginning of the http block of nginx.conf: include ${HTTP_FILE};`,
    );
  }
  for (const site of plan.server ? [] : sites) {
    const servers = ownServers(plan, site);
    const written = resolve(folder, siteFile(site));
    const logging = servers.filter((server) => server.own('access_log').length > 0);
    const logs =
      existing === undefined ? [] : tokenLogs(existing.http, sharing(plan, site, logging));
    for (const { at, fix } of logs) {
      const [, where, line] = /^in .* \((.*?)\): (.*)$/.exec(fix) ?? [];
      left.push(
        where === undefined
          ? `${place(at)} writes tokens: change it to ${fix.replace('instead of this line: ', '')}`
          : `the server block of ${where} redirects to the site and logs tokens: add ${line}`,
      );
    }
    const all = (existing?.http.servers ?? []).flatMap(({ locations }) => locations);
    if (all.some(({ file }) => file === written)) continue;
    const include = `include ${quoted(siteFile(site))};`;
    const where = servers.map(place).join(', ');
    const which = where || (site.name === '_' ? 'your site' : site.name);
    left.push(
      existing !== undefined && site.name !== '_' && serversOf(plan, site).length === 0
        ? `${folder}/nginx.conf: no server block has the name ${site.name}: write one, with this line: ${include}`
        : `add this line to the server block of ${which}: ${include}`,
    );
  }
  return left;
}

/** These blocks, those that write to the same log files, and those that redirect to the site. */
function sharing({ existing }: Plan, { names }: ServerPlan, logging: readonly Location[]) {
  const fileOf = ({ args }: Directive) => (args[0] === 'off' ? undefined : args[0]);
  const files = logging.flatMap((one) => one.own('access_log')).map(fileOf);
  const others = (existing?.http.blocks ?? []).filter(
    (one) =>
      one.own('access_log').some((line) => files.includes(fileOf(line))) ||
      (one.has('return') && one.names.some((name) => names.includes(name.toLowerCase()))),
  );
  return [...new Set([...logging, ...others])];
}

/** The http block after the operator has added the lines that `remaining` names: they close URLs of the files. */
function withSites(plan: Plan, http: Http, files: ReadonlyMap<string, string>): Http {
  const block = http.block.map((one) => {
    const lines = plan.sites.flatMap((site) => {
      const isOwn = ownServers(plan, site).some((server) => server.block === one.block);
      const name = siteFile(site);
      return isOwn ? parse(files.get(name) ?? '', resolve(plan.folder, name)) : [];
    });
    return new Directive(one.name, one.args, one, one.block && [...one.block, ...lines]);
  });
  return new Http(block, http.main.file);
}

/** Lines, of the files that were written or beside them, that probably do not do what the operator expects. */
export function warnings(plan: Plan, files: ReadonlyMap<string, string>): string[] {
  const { existing, folder } = plan;
  if (existing === undefined) return [];
  const ours = plan.sites.map((site) => resolve(folder, siteFile(site)));
  const http = plan.server ? existing.http : withSites(plan, existing.http, files);
  const others = http.blocks.filter(({ file }) => !ours.includes(file));
  const disk = createDisk();
  const found = plan.sites.flatMap((site) => {
    const text = files.get(siteFile(site)) ?? '';
    const at = (line: string) => {
      const number = text.slice(0, text.indexOf(line)).split('\n').length;
      return place({ file: resolve(folder, siteFile(site)), line: number });
    };
    const ofFiles = site.internals.flatMap((prefix) => {
      const source = plan.sources(site.name, prefix);
      if (!('folder' in source)) return [];
      const alias = `alias ${quoted(source.folder)};`;
      if (disk.real(source.folder) === undefined) {
        return [`${at(alias)}: ${source.folder} does not exist, or this user may not see it`];
      }
      const path = disk.real(source.folder)?.replace(/\/?$/, '/') ?? source.folder;
      const found = urlsOf(http, [{ path, what: `files of ${prefix}` }], others, disk);
      return found.map(
        ({ at: where, seen, fix }) =>
          `${place(where)}: ${seen}, without a token. To close it, write ${fix}`,
      );
    });
    const log = /^access_log .*;$/m.exec(text)?.[0];
    const changed = log === undefined || plan.server ? [] : ownServers(plan, site).flatMap(oldLogs);
    return [
      ...ofFiles,
      ...changed.map((old) => `${at(log ?? '')}: ${log} replaces, for that server block, ${old}`),
    ];
  });
  return [...new Set(found)];
}

/** The log that a server block inherits, if it has another format. */
function oldLogs({ parent }: Location): string[] {
  return (parent?.own('access_log') ?? [])
    .filter(({ args: [file, format] }) => file !== 'off' && format !== 'postern')
    .map((line) => `${line.text} of ${place(line)}`);
}

function place({ file, line }: Position): string {
  return `${file}:${line}`;
}
