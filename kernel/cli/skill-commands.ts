import type { Command } from 'commander'
import type { CliSession } from './connection.ts'
import {
  auditSkills,
  installSkills,
  listCatalog,
  listSkills,
  reloadSkills,
  removeSkill,
  showSkill,
  toggleSkill,
  trustSkill,
} from './skill.ts'
import { buildSkillCatalog, newSkill } from './skill-files.ts'

/** `keel skill …` with its options. */
export function addSkillCommands(program: Command, session: (command: Command) => CliSession): void {
  const skill = program
    .command('skill')
    .alias('skills')
    .description('what the agent knows how to do, as folders of text and scripts')
  skill
    .command('list')
    .description('show them')
    .option('--all', 'and the built-in ones')
    .action((options: { all?: boolean }, command: Command) => listSkills(session(command), options))
  skill
    .command('show')
    .description('show one with its files and what a strict reader finds')
    .argument('<name>')
    .action((name: string, _, command: Command) => showSkill(session(command), name))
  skill
    .command('reload')
    .description('read all of them again')
    .action((_, command: Command) => reloadSkills(session(command)))
  skill
    .command('enable')
    .description('let the agent use it')
    .argument('<name>')
    .action((name: string, _, command: Command) => toggleSkill(session(command), name, true))
  skill
    .command('disable')
    .description('keep the agent from using it')
    .argument('<name>')
    .action((name: string, _, command: Command) => toggleSkill(session(command), name, false))
  skill
    .command('trust')
    .description('let its scripts run, as they are now')
    .argument('<name>')
    .option('-y, --yes', 'without being asked')
    .option('--revoke', 'take it back')
    .action((name: string, options: { yes?: boolean; revoke?: boolean }, command: Command) =>
      trustSkill(session(command), name, options),
    )
  skill
    .command('remove')
    .description('move it to the trash')
    .argument('<name>')
    .action((name: string, _, command: Command) => removeSkill(session(command), name))
  skill
    .command('audit')
    .description('compare what was loaded with what lies on disk')
    .option('--repair', 'and bring them together')
    .action((options: { repair?: boolean }, command: Command) => auditSkills(session(command), options))
  skill
    .command('catalog')
    .description('show what the catalogs offer')
    .argument('[query]')
    .action((query: string | undefined, _, command: Command) => listCatalog(session(command), query))
  skill
    .command('install')
    .description('install from a catalog by name, or from a folder or archive')
    .argument('<sources...>')
    .option('--activate', 'and let the agent use them')
    .action((sources: string[], options: { activate?: boolean }, command: Command) =>
      installSkills(session(command), sources, options),
    )
  skill
    .command('new')
    .description('write the folder of a new skill')
    .argument('<name>')
    .action((name: string, _, command: Command) => newSkill(session(command), name))
  skill
    .command('catalog-build')
    .description('make a catalog of a folder of skills, to be served by any web server')
    .argument('<folder>')
    .argument('<target>')
    .option('--catalog-version <version>', 'of the catalog')
    .option('--key <file>', 'an Ed25519 private key in PEM that signs it')
    .action((source: string, target: string, options: { catalogVersion?: string; key?: string }, command: Command) =>
      buildSkillCatalog(session(command), source, target, options),
    )
}
