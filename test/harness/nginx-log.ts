// Only the error log at level info, and the order of its lines, shows exactly when a start or a reload
// has finished: a worker writes "gracefully shutting down" when it accepts no more connections, and by
// then the new workers run.

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

/** Whether a reload after the first `since` characters of the log has replaced all workers. */
export function hasReloaded(log: string, since: number): boolean {
  const begun = log.slice(since).search(/#\d+: reconfiguring$/m);
  if (begun < 0) return false;
  const retired = retiredWorkers(log);
  return servingWorkers(log.slice(0, since + begun)).every((pid) => retired.has(pid));
}

/** The error in the configuration, if nginx rejected it. */
export function emergency(log: string): string | undefined {
  return /\[emerg\] .*/.exec(log)?.[0];
}

/** The message with the line of the configuration that it names, because the file may be removed later. */
export function quoteLine(message: string, config: string): string {
  const number = /nginx\.conf:(\d+)/.exec(message)?.[1];
  const line = config.split('\n')[Number(number) - 1];
  return line === undefined ? message : `${message}\n  ${number} | ${line.trim()}`;
}
