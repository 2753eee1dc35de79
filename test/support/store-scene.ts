import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { RuntimeError } from '#sdk/errors.ts'
import { type Daemon, type DaemonOptions, eventually, isAlive, startDaemon } from './daemon.ts'

/** A daemon with a conversation, and what it has acknowledged of it. */
export interface StoreScene {
  keel: Daemon
  sessionId: string
  database: string
  acknowledged: string[]
}

export async function storeScene(options: DaemonOptions = {}): Promise<StoreScene> {
  const keel = await startDaemon(options)
  onTestFinished(() => keel.dispose())
  const { id } = await keel.client.sessions.createSession({ body: { scope: 'trouble', nickname: 'Trouble' } })
  const scene = { keel, sessionId: id, database: join(keel.home, 'keel.db'), acknowledged: [] }
  for (let n = 0; n < 3; n++) await say(scene, `steady ${n}`)
  return scene
}

export async function say({ keel, sessionId, acknowledged }: StoreScene, content: string): Promise<void> {
  await keel.client.sessions.appendMessage({ params: { id: sessionId }, body: { role: 'user', content } })
  acknowledged.push(content)
}

/** The error for a message that is not taken; one that is taken is remembered as such. */
export async function refusal(scene: StoreScene, content: string): Promise<RuntimeError | undefined> {
  try {
    await say(scene, content)
    return undefined
  } catch (thrown) {
    if (thrown instanceof RuntimeError) return thrown
    throw thrown
  }
}

export async function said({ keel, sessionId }: StoreScene): Promise<string[]> {
  const { messages } = await keel.client.sessions.listMessages({ params: { id: sessionId }, query: { limit: 200 } })
  return messages.map(({ content }) => content)
}

export async function isWell({ keel }: StoreScene): Promise<boolean> {
  return (await keel.client.health.getHealth()).checks.database === 'ok'
}

/** Writing is refused in these words, health tells them, reads go on, and the kernel is still the same process. */
export async function expectRefused(scene: StoreScene, what: RegExp): Promise<void> {
  let error: RuntimeError | undefined
  for (let n = 0; n < 100 && !error; n++) error = await refusal(scene, `message ${n} ${'x'.repeat(4_000)}`)
  expect(error).toMatchObject({ kind: 'unavailable', message: expect.stringMatching(what) })
  expect(await scene.keel.client.health.getHealth()).toMatchObject({
    status: 'warning',
    checks: { database: 'error', database_reason: expect.stringMatching(what) },
  })
  expect(await said(scene)).toEqual(scene.acknowledged)
  expect(isAlive(scene.keel.pid)).toBe(true)
}

/** Well again by itself: what is said now is stored, and so is all that was acknowledged before. */
export async function expectRecovered(scene: StoreScene): Promise<void> {
  await eventually('the database is well again', () => isWell(scene), 10_000)
  await say(scene, 'recovered')
  expect(await said(scene)).toEqual(scene.acknowledged)
  expect(isAlive(scene.keel.pid)).toBe(true)
}
