/** The options of `postern nginx`, as commander gives them. */
export interface NginxOptions {
  readonly files: readonly string[];
  readonly proxyTarget: readonly string[];
  readonly listen: readonly string[];
  readonly serverName: readonly string[];
  readonly upstream: readonly string[];
  readonly cors: readonly string[];
  readonly login?: string;
  readonly limitConn?: string;
  readonly cache?: true;
  readonly xAccel?: true;
  readonly log: 'json' | 'off';
  readonly logFile: string;
}

/** The options that were said, as words of a command line that says the same. */
export function commandLine(options: Partial<NginxOptions>): string {
  const words = ['postern', 'nginx'];
  for (const [name, value] of Object.entries(options)) {
    const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (value === true) words.push(option);
    else for (const one of [value].flat()) words.push(option, shellWord(String(one)));
  }
  return words.join(' ');
}

function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:=@,+~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
