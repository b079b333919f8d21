import type { ScriptTexts } from '../texts.ts';

/** The texts, which the gate writes into an attribute of the script. */
export function readTexts(): ScriptTexts {
  const { dataset } = document.currentScript as HTMLScriptElement;
  return JSON.parse(dataset.texts ?? '') as ScriptTexts;
}

/** The variants of the page's language that the reader prefers: dates in British English on an English page. */
export function localesOf(): string[] {
  const { lang } = document.documentElement;
  return [...navigator.languages.filter((one) => one.split('-')[0] === lang), lang];
}

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  text = '',
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

export function button(text: string, onClick: () => void): HTMLButtonElement {
  const made = element('button', text);
  made.type = 'button';
  made.addEventListener('click', onClick);
  return made;
}

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];

/** `1.4 MB`. */
export function sizeText(bytes: number, locales: string[]): string {
  const step = Math.min(3, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const unit = UNITS[step] as string;
  const style = { style: 'unit', unit, maximumFractionDigits: 1 } as const;
  return new Intl.NumberFormat(locales, style).format(bytes / 1024 ** step);
}
