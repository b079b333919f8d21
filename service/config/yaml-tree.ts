import { isAlias, isMap, isScalar, isSeq, type Node, type Scalar } from 'yaml';
import type { Faults } from './fault.ts';
import type { Given, Value } from './given.ts';
import { API_KEY_FIELDS } from './names.ts';
import { quote, shown } from './shown.ts';

const PLAIN_NAME = /^[\w-]{1,40}$/;

/** A YAML document as what is given and where. `whereIs` makes file and line of an offset. */
export function toGiven(
  root: Node | null,
  whereIs: (offset: number) => string,
  faults: Faults,
): Given {
  return convert(root, root, '', '');

  /** `start` is where a person looks: the key of a value, the entry of a list. */
  function convert(node: Node | null, start: Node | null, field: string, setting: string): Given {
    const where = whereIs((start ?? node)?.range?.[0] ?? 0);
    const value = read(node, field, setting, where);
    const display = shown(setting, value);
    return {
      field: field === '' ? 'the file' : field,
      where,
      value,
      ...(display !== undefined && { shown: display }),
    };
  }

  function read(node: Node | null, field: string, setting: string, where: string): Value {
    if (isMap<Scalar<string>, Node | null>(node)) {
      const dot = field === '' ? '' : '.';
      return new Map(
        node.items.map(({ key, value }) => {
          const at = field + dot + nameOf(key.value, setting);
          return [key.value, convert(value, key, at, `${setting}${dot}${key.value}`)];
        }),
      );
    }
    if (isSeq<Node | null>(node)) {
      return node.items.map((item, index) => convert(item, item, `${field}[${index}]`, setting));
    }
    if (isAlias(node)) {
      faults.add({ field, where }, 'no alias: a value that begins with * needs quotes');
    }
    return isScalar(node) ? (node.value as Value) : null;
  }
}

/** A key as a report names it. In an API key's entry one that is unknown may be a secret. */
function nameOf(key: string, setting: string): string {
  if (setting === 'api_keys' && !API_KEY_FIELDS.includes(key)) return '?';
  return PLAIN_NAME.test(key) ? key : quote(key);
}
