// What nginx writes to its error log at level info, and in which order, is the only exact account
// of a start or a reload: a worker writes "gracefully shutting down" when it will accept no
// connection more, and by then the new ones run.

/** Workers that accept connections. */
export function servingWorkers(log: string): string[] {
  const gone = retiredWorkers(log);
  return [...log.matchAll(/start worker process (\d+)/g)]
    .map((match) => match[1] ?? '')
    .filter((pid) => !gone.has(pid));
}

function retiredWorkers(log: string): Set<string> {
  const matches = log.matchAll(/(\d+)#\d+: gracefully shutting down|worker process (\d+) exited/g);
  return new Set([...matches].map((match) => match[1] ?? match[2] ?? ''));
}

/** Whether the reload that was asked for after the first `since` characters has replaced them all. */
export function hasReloaded(log: string, since: number): boolean {
  const begun = log.slice(since).search(/#\d+: reconfiguring$/m);
  if (begun < 0) return false;
  const retired = retiredWorkers(log);
  return servingWorkers(log.slice(0, since + begun)).every((pid) => retired.has(pid));
}

/** The configuration's fault, if nginx refused it. */
export function emergency(log: string): string | undefined {
  return /\[emerg\] .*/.exec(log)?.[0];
}

/** The message with the line that it names, as the file may be gone when somebody reads it. */
export function quoteLine(message: string, config: string): string {
  const number = /nginx\.conf:(\d+)/.exec(message)?.[1];
  const line = config.split('\n')[Number(number) - 1];
  return line === undefined ? message : `${message}\n  ${number} | ${line.trim()}`;
}
