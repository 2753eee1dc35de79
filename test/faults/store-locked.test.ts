import { expect, onTestFinished, test } from 'vitest'
import { eventually, upstreamConfig } from '../support/daemon.ts'
import { holdLock } from '../support/held-lock.ts'
import { expectRecovered, isWell, refusal, said, say, storeScene } from '../support/store-scene.ts'
import { startUpstream } from '../support/upstream.ts'

test('a lock that is let go of in time is waited for: nobody is refused, and everyone else is served', {
  timeout: 60_000,
}, async () => {
  const scene = await storeScene()
  const holder = await holdLock(scene.database)
  const waiting = Promise.all(Array.from({ length: 8 }, (_, n) => say(scene, `waiting ${n}`)))
  await eventually('the lock is told', async () => !(await isWell(scene)))
  // Answered while the writers wait, whose turn would otherwise hold up the event loop.
  expect(await scene.keel.client.health.getHealth()).toMatchObject({
    status: 'warning',
    checks: { database_reason: expect.stringMatching(/Another process holds the database/) },
  })
  expect(scene.acknowledged).toHaveLength(3)
  await holder.letGo()
  await waiting
  await eventually('the database is well again', () => isWell(scene))
  expect((await said(scene)).sort()).toEqual(scene.acknowledged.sort())
})

test('a lock that is kept is told to the caller, reads go on, and a turn begun before is finished after', {
  timeout: 60_000,
}, async () => {
  const upstream = await startUpstream({ text: 'Paris.' })
  onTestFinished(() => upstream.close())
  const scene = await storeScene({ config: upstreamConfig(upstream.url) })
  const locked = Promise.withResolvers<void>()
  upstream.script({ text: 'Paris.', until: locked.promise })
  const answer = scene.keel.client.agent.sendMessage({ body: { content: 'What is the capital of France?' } })
  await upstream.received(1)
  const holder = await holdLock(scene.database)
  locked.resolve()

  const error = await refusal(scene, 'too long')
  expect(error).toMatchObject({
    kind: 'unavailable',
    message: expect.stringMatching(/Another process holds the database/),
    details: { retry_after_seconds: 2 },
  })
  expect(await said(scene)).toEqual(scene.acknowledged)
  await holder.letGo()
  expect((await answer).content).toBe('Paris.')
  await expectRecovered(scene)
})
