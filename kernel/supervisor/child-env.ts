import { join } from 'node:path'

/** What a child may see of the kernel's environment; everything else, keys above all, stays here. */
const passedOn = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'KEEL_LOG_LEVEL', 'SystemRoot'] as const

/** Compiled code is kept in the run folder, where nobody else may write: what lies there is executed. */
export function childEnv(
  extra: Readonly<Record<string, string>>,
  runDir: string,
  env: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const kept: NodeJS.ProcessEnv = { NODE_COMPILE_CACHE: env.NODE_COMPILE_CACHE ?? join(runDir, 'compile-cache') }
  for (const name of passedOn) if (env[name] !== undefined) kept[name] = env[name]
  return { ...kept, ...extra }
}
