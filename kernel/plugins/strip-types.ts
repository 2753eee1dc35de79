import { RuntimeError, reasonOf } from '#sdk/errors.ts'

const idleMs = 10_000

let pool: Promise<{ run(source: string): Promise<string> }> | undefined

/** TypeScript as JavaScript, by a thread of its own: a plugin's author decides how long it takes. */
export async function stripTypes(path: string, source: string): Promise<string> {
  pool ??= import('piscina').then(({ Piscina }) => {
    const filename = new URL('./strip-types-worker.ts', import.meta.url).href
    const options = { filename, minThreads: 0, maxThreads: 1, idleTimeout: idleMs }
    return new Piscina<string, string>({
      ...options,
      execArgv: [...process.execArgv, '--disable-warning=ExperimentalWarning'],
    })
  })
  try {
    return await (await pool).run(source)
  } catch (thrown) {
    throw new RuntimeError('invalid', `${path}: ${reasonOf(thrown).trim()}`)
  }
}
