import { pino } from 'pino'
import { expect, test, vi } from 'vitest'
import { cutOutput } from '#sdk/cut-output.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { type builtinTools, maxToolOutputBytes } from '#sdk/services/tools.ts'
import { bashTool } from '../../services/tools/bash.ts'
import { echoTools } from '../../services/tools/echo.ts'
import { createFileTools } from '../../services/tools/files.ts'
import { findTools } from '../../services/tools/find.ts'
import { httpTools } from '../../services/tools/http-get.ts'
import { runTool } from '../../services/tools/run-tool.ts'
import type { ToolHandlers } from '../../services/tools/tool.ts'
import { toolSettingsWith } from '../support/tools-service.ts'

type Handlers = ToolHandlers<typeof builtinTools>

const sound: Handlers = { ...echoTools, ...createFileTools(), ...findTools, ...httpTools, ...bashTool }

function runEcho(echo: Handlers['echo'], signal = new AbortController().signal) {
  const settings = toolSettingsWith()
  let written = ''
  const log = pino(
    {},
    {
      write(line: string) {
        written += line
      },
    },
  )
  const done = runTool({ name: 'echo', input: { message: 'm' } }, { ...sound, echo }, { settings, signal, log })
  return { done, log: () => written }
}

test('an error of the runtime is told, and not logged', async () => {
  const { done, log } = runEcho(() => {
    throw new RuntimeError('forbidden', 'Not that one')
  })
  expect(await done).toEqual({ status: 'error', output: 'echo failed: Not that one' })
  expect(log()).toBe('')
})

test('an unexpected error is logged; the model learns no more than that', async () => {
  for (const cause of [new Error('secret detail'), new RuntimeError('internal', 'secret detail')]) {
    const { done, log } = runEcho(() => Promise.reject(cause))
    const { status, output } = await done
    expect(status).toBe('error')
    expect(output).not.toContain('secret')
    expect(log()).toContain('secret detail')
  }
})

test('a tool that does not end is left at its time, and the next one runs', async () => {
  const clock = new AbortController()
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(clock.signal)
  let told: AbortSignal | undefined
  try {
    const { done } = runEcho((_, { signal }) => {
      told = signal
      queueMicrotask(() => clock.abort(new Error('time')))
      return new Promise(() => {})
    })
    expect(await done).toEqual({ status: 'error', output: 'echo did not finish within 5 s.' })
  } finally {
    timeout.mockRestore()
  }
  expect(told?.aborted).toBe(true)
  expect(await runEcho(({ message }) => message).done).toEqual({ status: 'success', output: 'm' })
})

test('of a tool that may not run twice nobody says that it failed, only that its time is over', async () => {
  const clock = new AbortController()
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(clock.signal)
  const { signal } = new AbortController()
  const handlers: Handlers = {
    ...sound,
    write_file: () => {
      queueMicrotask(() => clock.abort(new Error('time')))
      return new Promise(() => {})
    },
  }
  try {
    const input = { path: 'note.txt', content: 'milk' }
    const done = runTool({ name: 'write_file', input }, handlers, {
      settings: toolSettingsWith(),
      signal,
      log: pino({ level: 'silent' }),
    })
    await expect(done).rejects.toMatchObject({ kind: 'timeout', message: 'write_file did not finish within 10 s.' })
  } finally {
    timeout.mockRestore()
  }
})

test('a caller that cancels ends the wait', async () => {
  const caller = new AbortController()
  const { done } = runEcho(() => {
    queueMicrotask(() => caller.abort())
    return new Promise(() => {})
  }, caller.signal)
  await expect(done).rejects.toMatchObject({ kind: 'cancelled' })
})

test.each([0, 1, 2, 3])('an output is cut between characters (offset %i)', (offset) => {
  const text = 'x'.repeat(offset) + '🎉'.repeat(10_000)
  const cut = cutOutput(text, maxToolOutputBytes)
  expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(maxToolOutputBytes)
  expect(cut).toMatch(/^x*🎉+\n\(cut here; the full output has \d+ bytes\)$/u)
  expect(cut).toContain(`${40_000 + offset} bytes`)
  expect(cutOutput('short', maxToolOutputBytes)).toBe('short')
})
