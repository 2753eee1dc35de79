import { isOnPath } from '#kernel/guests/on-path.ts'
import type { SkillRequirements } from '#sdk/skill.ts'

/** What the wild calls the systems that Node names otherwise. */
const systems: Record<string, string> = { macos: 'darwin', mac: 'darwin', windows: 'win32', win: 'win32' }

/** What this machine lacks, in words; empty where nothing is missing. */
export function unmetRequirements(
  { bins, any_bins, env: variables, os }: SkillRequirements,
  env: NodeJS.ProcessEnv = process.env,
  platform: string = process.platform,
): string[] {
  const unmet = bins.filter((bin) => !isOnPath(bin, env)).map((bin) => `the program ${bin} is not on the path`)
  if (any_bins.length > 0 && !any_bins.some((bin) => isOnPath(bin, env)))
    unmet.push(`none of the programs ${any_bins.join(', ')} is on the path`)
  for (const name of variables)
    if (env[name] === undefined || env[name] === '') unmet.push(`the environment variable ${name} is not set`)
  if (os.length > 0 && !os.some((name) => (systems[name.toLowerCase()] ?? name.toLowerCase()) === platform))
    unmet.push(`it is for ${os.join(', ')}, and this is ${platform}`)
  return unmet
}
