import { expect, test } from 'vitest';
import { harmless } from '../../../doctor/finding.ts';
import { newToken } from '../../../service/token/token.ts';

test('doctor URL: the report contains no token in any encoding', () => {
  const token = newToken();
  const encoded = [token, `%70s_${token.slice(3)}`, `%2570s%255F${token.slice(3)}`];
  for (const one of encoded) {
    expect(harmless(`Location: /a?token=${one}&x`)).toBe('Location: /a?token=***&x');
  }
});
