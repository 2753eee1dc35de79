import { execFile } from 'node:child_process'
import { expect, test } from 'vitest'
import { sandboxFlags } from '#kernel/plugins/sandbox-spec.ts'

const sealProcess = new URL('../../services/sandbox/seal-process.ts', import.meta.url).href

/** What ends a process that runs this under the sandbox's flags. */
function endOf(code: string): Promise<NodeJS.Signals | number | null> {
  return new Promise((resolve) => {
    const args = [...sandboxFlags(), '--input-type=module', '--eval', code]
    execFile(process.execPath, args, { env: {}, timeout: 10_000 }, (error) =>
      resolve(error ? (error.signal ?? Number(error.code)) : 0),
    )
  })
}

test('a sealed process can signal nobody, and still ends itself at once, whatever its isolates do', async () => {
  const sealed = `import { endAtOnce, sealProcess } from ${JSON.stringify(sealProcess)}; sealProcess();`
  expect(await endOf(`${sealed} try { process.kill(process.pid, 'SIGKILL') } catch { process.exit(7) }`)).toBe(7)
  expect(await endOf(`${sealed} process.on('exit', () => process.exit(8)); endAtOnce()`)).toBe('SIGKILL')
})
