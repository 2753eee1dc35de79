import { expect, test } from 'vitest'
import { consolidate, isConsolidationDue, lastConsolidation } from '#kernel/memory/consolidation.ts'
import { eventually } from '../support/daemon.ts'
import { memoryScene } from '../support/memory-scene.ts'

test('killed while it tidies up: the memory is as it was, and the next time does all of it once', async () => {
  const scene = memoryScene({ workMs: 25 })
  const done = consolidate(scene)
  const failed = expect(done).rejects.toMatchObject({ kind: 'outcome_unknown' })
  await eventually('it is under way', () => scene.status().calls_in_flight > 0)
  process.kill(scene.status().pid ?? 0, 'SIGKILL')
  await failed
  expect([scene.remembered(), lastConsolidation(scene.store.read), isConsolidationDue(scene.store.read)]).toEqual([
    [],
    null,
    true,
  ])
  await consolidate(scene)
  expect(scene.remembered().map(({ content }) => content)).toEqual(['tidied up'])
  expect(lastConsolidation(scene.store.read)).toMatchObject({ promoted: 1 })
  expect([isConsolidationDue(scene.store.read), isConsolidationDue(scene.store.read, Date.now() + 86_400_001)]).toEqual(
    [false, true],
  )
  expect(scene.eventsOf('memory_consolidated')).toHaveLength(1)
  expect(scene.eventsOf('memory_changed')).toMatchObject([{ op: 'insert', tier: 'semantic' }])
}, 30_000)

test('somebody who waits passes it; it is begun anew and takes effect once', async () => {
  const scene = memoryScene({ workMs: 150 })
  const done = consolidate(scene)
  await eventually('it is under way', () => scene.status().calls_in_flight > 0)
  const at = performance.now()
  await scene.work.run(() => {})
  expect(performance.now() - at).toBeLessThan(2_500)
  await done
  expect(scene.remembered()).toHaveLength(1)
}, 30_000)
