import type { Command } from 'commander';
import type { Environment } from '../environment.ts';
import { WrongUsage } from '../failure.ts';
import { addConfigOptions, type ConfigOptions, doctorConfig } from './doctor-config.ts';
import { addSiteOptions, doctorSite, type SiteOptions } from './doctor-site.ts';
import { example } from './example.ts';

const HELP = `
With a URL the doctor issues short-lived tokens for a canary, a file of yours that --path names, and sends
about 250 requests that must not open it. They change nothing. The API key comes from POSTERN_API_KEY or
--key-file.

Exit status: 0 nothing found, 1 something found, 2 could not read or test.`;

export function addDoctor(program: Command, env: Environment): void {
  const doctor = program
    .command('doctor')
    .description("Test a running site of yours from outside, or check nginx's configuration.")
    .argument('[url]', 'URL of the site: https://files.example/');
  const ofSite = added(doctor, addSiteOptions);
  const ofConfig = added(doctor, addConfigOptions);
  doctor
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .addHelpText('after', example('postern doctor https://files.example/ --internal /protected/'))
    .addHelpText('after', '  nginx -T | postern doctor --config')
    .action(async (url: string | undefined, options: ConfigOptions & SiteOptions) => {
      if ((url === undefined) === (options.config === undefined)) {
        throw new WrongUsage('pass either the URL of a site or --config');
      }
      const useless = (url === undefined ? ofSite : ofConfig).find(
        (name) => doctor.getOptionValueSource(name) === 'cli',
      );
      if (useless !== undefined) {
        const option = `--${useless.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
        throw new WrongUsage(
          `${option} works only with ${url === undefined ? 'a URL' : '--config'}`,
        );
      }
      await (url === undefined ? doctorConfig(options, env) : doctorSite(url, options, env));
    });
}

/** The names of the options that are added. */
function added(command: Command, add: (command: Command) => void): string[] {
  const before = command.options.length;
  add(command);
  return command.options.slice(before).map((option) => option.attributeName());
}
