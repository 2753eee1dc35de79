import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { builtinTools, maxToolOutputBytes } from '#sdk/services/tools.ts'
import { forkTools, startTools, toolSettingsWith } from '../support/tools-service.ts'

describe.each([
  ['over a channel in memory', startTools],
  ['in a process of its own', forkTools],
])('the tools service %s', (_, start) => {
  test('runs a tool, and answers an unknown one and a wrong input in words', async () => {
    const { tools, run } = await start()
    expect(await run('echo', { message: 'hello' })).toEqual({ status: 'success', output: 'hello' })
    for (const name of ['teleport', 'constructor', '__proto__']) {
      expect(await tools.run({ name, input: {} })).toEqual({
        status: 'error',
        output: `There is no tool named ${name}.`,
      })
    }
    const wrong = await run('echo', { message: 7 })
    expect(wrong.status).toBe('error')
    expect(wrong.output).toContain('message')
  })

  test('every declared tool is there', async () => {
    const { tools } = await start()
    for (const name of Object.keys(builtinTools)) {
      const { output } = await tools.run({ name, input: {} })
      expect(output, name).not.toContain('no tool named')
    }
  })

  test('cuts a long output within its bound, between characters, and says how long it was', async () => {
    const { run, settings } = await start()
    await writeFile(join(settings.workspace, 'long.txt'), `x${'ü€🎉'.repeat(10_000)}`)
    const { status, output } = await run('read_file', { path: 'long.txt' })
    expect(status).toBe('success')
    expect(Buffer.byteLength(output)).toBeLessThanOrEqual(maxToolOutputBytes)
    expect(Buffer.byteLength(output)).toBeGreaterThan(maxToolOutputBytes - 4)
    expect(output).toMatch(/^x(ü€🎉)+[ü€]*\n\(cut here; the full output has 90001 bytes\)$/u)
  })

  test('new settings hold from the next call on', async () => {
    const { tools, run, settings } = await start()
    await run('write_file', { path: 'where.txt', content: 'old' })
    const other = toolSettingsWith()
    await tools.configure(other)
    await run('write_file', { path: 'where.txt', content: 'new' })
    expect(await readFile(join(settings.workspace, 'where.txt'), 'utf8')).toBe('old')
    expect(await readFile(join(other.workspace, 'where.txt'), 'utf8')).toBe('new')
  })
})
