import { readFileSync } from 'node:fs';

/** Such as `debian-13-x64`, from os-release(5). */
export function release(file = '/etc/os-release'): string {
  const text = read(file);
  const value = (key: string) => new RegExp(`^${key}="?([\\w.-]+)`, 'm').exec(text)?.[1] ?? 'none';
  return `${value('ID')}-${value('VERSION_ID')}-${process.arch}`;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
