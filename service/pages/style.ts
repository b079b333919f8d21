/** The accent of a site that sets no color. */
const ACCENT = '#1d4ed8';

/** The style of every page. `accent` is the color of the button, `#rrggbb`. */
export function styleOf(accent = ACCENT): string {
  return `:root {
  color-scheme: light dark;
  --back: #f4f5f7; --card: #fff; --text: #1c2430; --soft: #4a5565; --line: #c9d0da; --error: #b42318;
  --accent: ${accent}; --on-accent: ${readableOn(accent)};
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #12161c; --card: #1b212a; --text: #eef1f5; --soft: #b4bdca; --line: #45505f; --error: #ffa198;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--back); color: var(--text);
  font: 1.0625rem / 1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main {
  max-width: 36rem; margin: 8vh auto; padding: 2rem; overflow-wrap: anywhere;
  background: var(--card); border: 1px solid var(--line); border-radius: 0.75rem;
}
.logo { margin: 0 0 1.25rem; font-weight: 600; }
.logo svg, .logo img { display: block; height: 2rem; max-width: 100%; }
h1 { margin: 0 0 0.75rem; font-size: 1.5rem; line-height: 1.25; }
p { margin: 0 0 1rem; }
.file { font-weight: 600; unicode-bidi: isolate; }
.soft, footer { color: var(--soft); }
.error { color: var(--error); font-weight: 600; }
footer { padding-top: 1rem; border-top: 1px solid var(--line); font-size: 0.9375rem; }
footer a { margin-inline-end: 1rem; }
form { margin: 0 0 1rem; }
label { display: block; margin: 0 0 0.375rem; font-weight: 600; }
input, button { min-height: 2.75rem; font: inherit; border-radius: 0.5rem; }
input {
  display: block; width: 100%; max-width: 16rem; padding: 0.5rem 0.75rem; margin: 0 0 1rem;
  color: inherit; background: var(--card); border: 1px solid var(--soft);
}
button {
  padding: 0.5rem 1.5rem; font-weight: 600; cursor: pointer;
  color: var(--on-accent); background: var(--accent); border: 1px solid transparent;
}
a { color: inherit; }
:focus-visible { outline: 3px solid; outline-offset: 2px; }
pre { margin: -1rem 0 0; white-space: pre-line; line-height: 1.9; font-size: 0.9375rem; }
main:has(pre) { max-width: 56rem; }
h1 ~ h1, hr, pre a[href="../"] { display: none; }
main > :last-child { margin-bottom: 0; }
@media (min-width: 56rem) { pre { white-space: pre; } }
@media (max-width: 38rem) {
  main { min-height: 100vh; margin: 0; padding: 1.5rem; border: 0; border-radius: 0; }
}`;
}

/** Black or white, whichever has the higher contrast: it is at least 4.5:1 for every color (WCAG 2.2). */
function readableOn(color: string): string {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? '#000' : '#fff';
}
