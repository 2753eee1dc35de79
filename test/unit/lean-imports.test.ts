import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)
const hooks = new URL('../../sdk/lean-imports.ts', import.meta.url).href
const root = fileURLToPath(new URL('../../', import.meta.url))

/** What a schema says of a wrong value, and which languages zod knows, in a process of its own. */
async function zodIn(flags: string[]) {
  const script = `
    import { z } from 'zod'
    const { error } = z.object({ age: z.int() }).safeParse({ age: 'old' })
    process.stdout.write(JSON.stringify({ says: error.issues[0].message, languages: Object.keys(z.locales).length }))`
  const { stdout } = await run(process.execPath, [...flags, '--input-type=module', '--eval', script], { cwd: root })
  return JSON.parse(stdout) as { says: string; languages: number }
}

test('a service loads none of zod’s languages, and is understood all the same', async () => {
  const [plain, lean] = await Promise.all([zodIn([]), zodIn(['--import', hooks])])
  // Were zod to load them from elsewhere, nothing would be saved.
  expect(plain.languages).toBeGreaterThan(10)
  expect(lean.languages).toBe(0)
  expect(lean.says).toBe(plain.says)
  expect(lean.says).toContain('expected number')
})
