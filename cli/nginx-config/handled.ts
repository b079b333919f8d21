import type { Directive } from './directive.ts';

const HANDLED_BY =
  /^((proxy|fastcgi|uwsgi|scgi|grpc|memcached)_pass|stub_status|empty_gif|content_by_lua\w*|js_content|perl)$/;

/**
 * Whether something else than a file is the answer to each request of a block.
 *
 * `break` skips all later directives, including a `return`, and nginx then serves the file.
 */
export function isHandled(block: readonly Directive[]): boolean {
  const breaks = ({ name, args, block: inner = [] }: Directive): boolean =>
    name === 'break' ||
    (name === 'rewrite' && args[2] === 'break') ||
    (name === 'if' && inner.some(breaks));
  const end = block.findIndex(breaks);
  return block.some(({ name }, at) =>
    name === 'return' ? end < 0 || at < end : HANDLED_BY.test(name),
  );
}
