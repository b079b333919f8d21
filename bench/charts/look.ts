/** Colors that are distinct for color-blind readers and in print. */
export const OURS = '#1f6fb2';
export const OTHERS = '#a9b0b7';
export const INK = '#24292f';

export const TITLE = {
  left: 12,
  top: 8,
  textStyle: { color: INK, fontSize: 15 },
  subtextStyle: { color: '#57606a', fontSize: 12 },
};
