/** What a child may see of the kernel's environment; everything else, keys above all, stays here. */
const passedOn = [
  'PATH',
  'HOME',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'NODE_COMPILE_CACHE',
  'KEEL_LOG_LEVEL',
  'SystemRoot',
] as const

export function childEnv(
  extra: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const kept: NodeJS.ProcessEnv = {}
  for (const name of passedOn) if (env[name] !== undefined) kept[name] = env[name]
  return { ...kept, ...extra }
}
