import { expect, test } from 'vitest'
import { withoutBorrowedTrust } from '#kernel/memory/repeated-words.ts'
import { saveStep } from '#kernel/store/turn-steps.ts'
import type { MemoryChanges, NewMemory } from '#sdk/services/memory.ts'
import { planContext } from '../../services/agent/context.ts'
import { endedTurn, newSession } from '../support/ingest-scene.ts'
import { temporaryStore } from '../support/temp-store.ts'
import { nothingRecalled, recalledMemory, turnJob } from '../support/turn-fixtures.ts'

function added(source: NewMemory['source']): NewMemory {
  const { id, tier, category, key, name, content, confidence, mentions, successes, failures } = recalledMemory()
  const told = { id, tier, category, key, name, content, confidence, mentions, successes, failures }
  return { ...told, source, importance: 5, trusted: true, message_id: null }
}

const changes: MemoryChanges = { add: [added('user'), added('agent')], update: [], supersede: [], drop: [], remove: [] }

test.each([
  ['what a stranger said', { source: 'stranger', trusted: false } as const, [true, false]],
  ['what its user said', {}, [true, true]],
])('an agent that was reminded of %s is trusted accordingly, and its user still is', (_, given, trusted) => {
  const { store } = temporaryStore()
  const turn_id = endedTurn(store, { session_id: newSession(store), question: 'What is it called?' })
  const plan = planContext(turnJob(), { ...nothingRecalled, entries: [recalledMemory(given)] }, Date.now())
  saveStep(store.write, turn_id, 1, { kind: 'context', seq: 0, plan })
  expect(withoutBorrowedTrust(store.read, turn_id, changes).add.map((one) => one.trusted)).toEqual(trusted)
})

test('a turn without a plan has heard nothing', () => {
  const { store } = temporaryStore()
  expect(withoutBorrowedTrust(store.read, 'gone', changes)).toBe(changes)
})
