import type { ScriptTexts } from '../texts.ts';
import { sizeText } from './names.ts';

/** The texts, which the gate writes into an attribute of the script. A module has no `document.currentScript`. */
export const texts = JSON.parse(
  document.querySelector('script')?.dataset.texts ?? '',
) as ScriptTexts;

const { lang } = document.documentElement;

/** The variants of the page's language that the reader prefers: dates in British English on an English page. */
export const locales = [...navigator.languages.filter((one) => one.split('-')[0] === lang), lang];

/** Names of files are children: they become text, never HTML. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<HTMLElementTagNameMap[Name]>,
  ...children: ReadonlyArray<Node | string>
): HTMLElementTagNameMap[Name] {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export function button(text: string, onclick: () => void): HTMLButtonElement {
  return element('button', { type: 'button', onclick }, text);
}

/** A text with numbers and sizes in the reader's language. */
export function fill(text: string, numbers: Readonly<Record<string, number>>): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const number = numbers[name] ?? 0;
    return name === 'size' ? sizeText(number, locales) : number.toLocaleString(locales);
  });
}
