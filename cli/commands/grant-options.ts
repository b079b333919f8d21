import { Option } from 'commander';
import { GRANT_FIELDS, type GrantField } from '../../service/domain/grant-fields.ts';
import { WrongUsage } from '../failure.ts';

/** The fields of `POST /tokens`, with hyphens for their underscores. The service checks what they hold. */
export function grantOptions(): Option[] {
  return Object.entries<GrantField>(GRANT_FIELDS).map(([name, field]) => {
    const flag = name.replaceAll('_', '-');
    const option = (value: string | undefined) =>
      new Option(value ? `--${flag} <${value}>` : `--${flag}`, field.description);
    switch (field.type) {
      case 'choice':
        return option('choice').choices(field.of);
      case 'flag':
        return field.default === true
          ? new Option(`--no-${flag}`, field.description)
          : option(undefined);
      case 'whole':
        return option(field.value).argParser((value) => wholeNumber(flag, value));
      case 'list':
        return new Option(
          `--${flag} <${field.value}>`,
          `${field.description}; may be repeated`,
        ).argParser((value, before: readonly string[] = []) => [...before, value]);
      default:
        return option(field.value);
    }
  });
}

function wholeNumber(flag: string, value: string): number {
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw new WrongUsage(`--${flag}: expected a whole number`);
}
