import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { readSnippet } from '../../common/package.ts';
import {
  type Directive,
  type Location,
  type Position,
  quoted,
} from '../../doctor/config/context.ts';
import { createDisk } from '../../doctor/config/disk.ts';
import { examine, type Finding } from '../../doctor/config/examine.ts';
import { diskFiles, type Sources } from '../../doctor/config/load.ts';
import { parse } from '../../doctor/config/parse.ts';
import { nginxOf } from '../../doctor/config/proof/nginx.ts';
import type { SiteConfig } from '../../doctor/config/site.ts';
import { HTTP_FILE, type Plan } from './plan.ts';
import { type ServerPlan, serverFile, siteFile } from './sites.ts';

/** The server blocks for a site that the operator wrote. */
function serversOf({ existing, folder }: Plan, site: ServerPlan): readonly Location[] {
  // The second has the inner server blocks of --slices.
  const written = [serverFile(site), HTTP_FILE].map((name) => resolve(folder, name));
  return (existing?.http.servers ?? []).filter(
    ({ file, names }) => !written.includes(file) && names.some((name) => site.names.includes(name)),
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

/** Keeps the headers of the server block on delivered files, such as Strict-Transport-Security. */
export function keptHeaders(plan: Plan, site: ServerPlan): string[] {
  const nameOf = ({ args }: Directive) => args[0]?.toLowerCase();
  const sent = ['file.conf', 'cors-headers.conf']
    .flatMap((name) => parse(readSnippet(name), ''))
    .filter(({ name }) => name === 'add_header')
    .map(nameOf);
  const kept = ownServers(plan, site)
    .flatMap((server) => server.effective('add_header'))
    .filter((line) => !sent.includes(nameOf(line)));
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

/** The steps that the operator must do after the files were written. */
export function remaining(plan: Plan): string[] {
  const { existing, folder, sites } = plan;
  const left: string[] = [];
  if (existing !== undefined && !existing.files.includes(resolve(folder, HTTP_FILE))) {
    left.push(
      `add this line at the beginning of the http block of nginx.conf: include ${HTTP_FILE};`,
    );
  }
  const [jit] = existing?.http.main.own('pcre_jit') ?? [];
  if (existing !== undefined && jit?.args[0] !== 'on') {
    left.push('add this line to nginx.conf, outside of the http block: pcre_jit on;');
  }
  if (plan.slices !== undefined) {
    left.push(
      `let only nginx's user enter ${plan.slices}, also after a boot: see nginx/examples/slices.conf`,
    );
  }
  for (const site of plan.server ? [] : sites) {
    const servers = ownServers(plan, site);
    const written = resolve(folder, siteFile(site));
    const all = (existing?.http.servers ?? []).flatMap(({ locations }) => locations);
    if (all.some(({ file }) => file === written)) continue;
    const include = `include ${quoted(siteFile(site))};`;
    const where = servers.map(({ file, line }) => `${file}:${line}`).join(', ');
    const which = where || (site.name === '_' ? 'your site' : site.name);
    left.push(
      existing !== undefined && site.name !== '_' && serversOf(plan, site).length === 0
        ? `${folder}/nginx.conf: no server block has the name ${site.name}: write one, with this line: ${include}`
        : `add this line to the server block of ${which}: ${include}`,
    );
  }
  return left;
}

/** The rules of the doctor that compare the files with the rest of the configuration. */
const EXAMINED = ['second-url', 'log', 'slices', 'unavailable'];

/** What the doctor finds if the operator adds the includes that `remaining` names. */
export async function warnings(plan: Plan, env: NodeJS.ProcessEnv): Promise<string[]> {
  if (plan.existing === undefined) return [];
  const { findings, site } = await examine(withIncludes(plan), {
    disk: createDisk(),
    nginx: nginxOf('', env),
  });
  // The socket of the upstream can be missing: Postern may not have started yet.
  const upstream = resolve(plan.folder, HTTP_FILE);
  const isFound = ({ rule, at }: Finding) =>
    EXAMINED.includes(rule) && !(rule === 'unavailable' && at.file === upstream);
  const found = findings.filter(isFound);
  const texts = found.map(
    ({ at, seen, fix }) => `${at.file}:${at.line}: ${seen}. To fix it: ${fix}`,
  );
  return [...texts, ...sharedLogs(site, new Set(found.map(({ at }) => at)))];
}

/** The log files of the sites to which other server blocks write in another format, unless their own line is named. */
function sharedLogs({ http, servers }: SiteConfig, named: ReadonlySet<Position>): string[] {
  const logs = (one: Location) => one.effective('access_log');
  const files = new Set(servers.flatMap(logs).map(({ args }) => args[0]));
  return [...files].flatMap((file) => {
    const others = http.servers.filter((server) =>
      logs(server).some((line) => {
        const isOther = line.args[0] === file && line.args[1] !== 'postern';
        return isOther && !(named.has(line) && server.block.includes(line));
      }),
    );
    const names = others.filter((one) => !servers.includes(one)).map(({ titleAt }) => titleAt);
    if (file === 'off' || names.length === 0) return [];
    return `${file} gets lines in another format from ${names.join(', ')}. For a log without them: --log and another file`;
  });
}

/** The files on the disk, with an include of its site in each server block of the operator. */
function withIncludes(plan: Plan): Sources {
  const { existing, folder, server, sites } = plan;
  const main = resolve(folder, 'nginx.conf');
  const isMissing = (site: ServerPlan) =>
    !existing?.files.includes(resolve(folder, siteFile(site)));
  const added = sites
    .filter((site) => !server && isMissing(site))
    .flatMap((site) => {
      const include = `include ${quoted(siteFile(site))};`;
      return ownServers(plan, site).map(({ file, line }) => ({ file, line, include }));
    });
  const disk = diskFiles(main, readFileSync(main, 'utf8'));
  const read = (name: string) => {
    const lines = disk.read(name)?.split('\n');
    for (const { file, line, include } of added) {
      // A brace can be on the line after `server`.
      const at = lines?.findIndex((one, index) => index >= line - 1 && one.includes('{')) ?? -1;
      if (lines && file === name) lines[at] = lines[at]?.replace('{', `{ ${include}`) ?? '';
    }
    return lines?.join('\n');
  };
  return { ...disk, read };
}
