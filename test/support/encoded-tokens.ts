import fc from 'fast-check';

const opaque = fc
  .uint8Array({ minLength: 24, maxLength: 24 })
  .map((bytes) => `ps_${Buffer.from(bytes).toString('base64url')}`);

const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const jwt = fc
  .tuple(fc.uuid(), fc.uint8Array({ minLength: 32, maxLength: 64 }))
  .map(([jti, signature]) =>
    [
      base64url({ alg: 'EdDSA', typ: 'postern+jwt' }),
      base64url({ iss: 'https://files.example', jti }),
      Buffer.from(signature).toString('base64url'),
    ].join('.'),
  );

function everyByte(text: string, upper: boolean): string {
  return text.replace(/./gs, (char) => {
    const hex = char.charCodeAt(0).toString(16).padStart(2, '0');
    return `%${upper ? hex.toUpperCase() : hex}`;
  });
}

/** Percent-encoded `times` times. After the first, an encoder leaves all but the percent signs. */
function encoded(text: string, times: number, upper: boolean): string {
  const [once = text, ...more] = Array.from({ length: times }, () => everyByte(text, upper));
  return more.reduce((seen) => seen.replaceAll('%', '%25'), once);
}

const encodedOnItsOwn = (char: string) =>
  fc.tuple(fc.nat(3), fc.boolean()).map(([times, upper]) => encoded(char, times, upper));

/** By an encoder that leaves nothing as it is: %70, %25%37%30. */
const encodedTwiceInFull = (char: string) =>
  fc
    .tuple(fc.nat(2), fc.boolean())
    .map(([times, upper]) =>
      times < 2 ? encoded(char, times, upper) : everyByte(everyByte(char, upper), upper),
    );

const each = (token: string, how: (char: string) => fc.Arbitrary<string>) =>
  fc.tuple(...[...token].map(how)).map((chars) => chars.join(''));

const spelt = (token: string) =>
  fc.oneof(
    { weight: 1, arbitrary: fc.constant(token) },
    { weight: 2, arbitrary: encodedOnItsOwn(token) },
    { weight: 3, arbitrary: each(token, encodedOnItsOwn) },
    { weight: 1, arbitrary: each(token, encodedTwiceInFull) },
  );

const places = [
  ...['/download/~TOKEN/a', '/download/TOKEN/x', '/download/a/~TOKEN/b', '/download/a~TOKEN'],
  ...['/TOKEN', '/download/a?token=TOKEN', '/download/a?x=1&t=TOKEN&y=2', '/download/a?TOKEN'],
  ...['/download/a?TOKEN=1&x', '/download/a?next=/download/~TOKEN/a&x=1'],
  '/download/a?next=%2Fdownload%2Fa%3Ftoken%3DTOKEN%26x',
  ...['/login?next=%252Fgo%253Fto%253DTOKEN', '/download/a?x=%0D%0ATOKEN%0A'],
  ...['/logs/?file=TOKEN/a.log', '/logs/?file=a%2FTOKEN'],
] as const;

/** What could lead a parser astray, before or after a token. */
const glue = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  fc.constantFrom('%', '%2', '%25', '%252', '%4', '%6', '%7', '%6e', '%3', '%e', '%70', '%65', '+'),
  fc.constantFrom('ps_', 'PS_', 'p', 'e', 'ey', 'a', '.', '-', '%2e', 'maps_of'),
  fc.constant(`ey${'x'.repeat(30)}.`),
  fc.constantFrom(...';"\':,\u00ff', '\u00ef\u00bb\u00bf', '%EF%BB%BF', '%0A', '%00'),
  fc.constant(`ps_${'a'.repeat(1400)}&`),
);

/** A request-target, one character a byte, and the tokens that are in it. */
export const uriWithTokens = fc
  .tuple(
    fc.constantFrom(...places),
    fc.array(
      fc
        .oneof(opaque, jwt)
        .chain((token) => fc.tuple(fc.constant(token), spelt(token), glue, glue)),
      { minLength: 1, maxLength: 3 },
    ),
  )
  .map(([place, found]) => ({
    uri: place.replace('TOKEN', () =>
      found.map(([, text, before, after]) => before + text + after).join(''),
    ),
    tokens: found.map(([token]) => token),
  }));

/** Whether one of the tokens is in a text, or comes out if it is decoded up to four times. */
export function shows(text: string, tokens: readonly string[]): boolean {
  // A JWT's header is no secret: what follows it opens the file.
  const secrets = tokens.map((token) => token.slice(token.indexOf('.') + 1));
  let seen = text;
  for (let times = 0; times <= 4; times += 1) {
    if (secrets.some((secret) => seen.includes(secret))) return true;
    seen = seen.replace(/%([0-9a-f]{2})/gi, (_, hex) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
  }
  return false;
}
