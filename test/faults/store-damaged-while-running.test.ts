import { closeSync, openSync, statSync, writeSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { RuntimeError } from '#sdk/errors.ts'
import { keel as runCli } from '../support/cli-run.ts'
import { type Daemon, eventually, isAlive, startDaemon } from '../support/daemon.ts'
import { filledHome } from '../support/filled-home.ts'

const pageBytes = 4_096
/** A database larger than what is checked before a start. */
const manyMessages = 20_000
const words = /The database is damaged/

/** Overwrites the pages between these shares of the file. */
function damage(database: string, from: number, to: number): void {
  const pages = statSync(database).size / pageBytes
  const file = openSync(database, 'r+')
  for (let page = Math.floor(pages * from); page < pages * to; page++)
    writeSync(file, Buffer.alloc(pageBytes, 0xa5), 0, pageBytes, page * pageBytes)
  closeSync(file)
}

const reasonOf = async ({ client }: Daemon) => (await client.health.getHealth()).checks.database_reason ?? ''
const isTold = (keel: Daemon) => async () => words.test(await reasonOf(keel))

async function failureOf(call: Promise<unknown>): Promise<RuntimeError | undefined> {
  try {
    await call
    return undefined
  } catch (thrown) {
    if (thrown instanceof RuntimeError) return thrown
    throw thrown
  }
}

test('damage met while running: whoever meets it is told, health says it, and nothing else falls over', {
  timeout: 60_000,
}, async () => {
  const { home, database, sessionId } = await filledHome(2_000)
  const keel = await startDaemon({ home })
  onTestFinished(() => keel.dispose())
  const listMessages = (offset: number) =>
    keel.client.sessions.listMessages({ params: { id: sessionId }, query: { limit: 100, offset } })
  expect((await listMessages(0)).total).toBe(2_000)

  damage(database, 0.3, 0.7)
  let met: RuntimeError | undefined
  for (let offset = 0; offset < 2_000 && !met; offset += 100) met = await failureOf(listMessages(offset))
  expect(met).toMatchObject({ kind: 'unavailable', message: expect.stringMatching(words) })
  expect(await reasonOf(keel)).toMatch(words)
  expect((await keel.client.services.listServices()).services.length).toBeGreaterThan(0)
  expect((await keel.client.models.listAvailableModels({ query: {} })).models).toBeDefined()
  expect(isAlive(keel.pid)).toBe(true)

  const doctor = await runCli(['doctor', '--json', '--home', home], { env: { KEEL_PORT: new URL(keel.url).port } })
  expect(doctor.code).toBe(1)
  expect(doctor.stdout).toMatch(/keel\.db is damaged/)
  await keel.stop()
})

test('damage in a large file does not hold up the start, and is told soon after it', { timeout: 60_000 }, async () => {
  const { home, database } = await filledHome(manyMessages)
  damage(database, 0.5, 0.51)
  const keel = await startDaemon({ home })
  onTestFinished(() => keel.dispose())
  await eventually('the damage is told', isTold(keel), 15_000)
  expect(isAlive(keel.pid)).toBe(true)
})
