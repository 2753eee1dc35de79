import { appendFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { newId } from '#sdk/ids.ts'
import { runService } from '#sdk/rpc/run-service.ts'
import { kernelForMemory } from '#sdk/services/kernel.ts'
import { type MemoryChanges, memoryService, type NewMemory } from '#sdk/services/memory.ts'
import { newMemory } from '../new-memory.ts'
import { writeToWire } from './probe-handlers.ts'

/*
 * A memory service that remembers one entry of each turn, in the words of its question, and otherwise does as the
 * question says. For tests of the kernel's side of it.
 */

const workMs = Number(process.env.PLAIN_MEMORY_MS ?? '0')
/** Each call of `ingest` that got as far as its answer leaves a line here. */
const record = process.env.PLAIN_MEMORY_RECORD

const nothing: MemoryChanges = { add: [], update: [], supersede: [], drop: [], remove: [] }

const entry = (content: string, more: Partial<NewMemory> = {}): NewMemory => newMemory({ content, ...more })

const trace = { embedding_model: null, vector_note: null, left_out_words: [], took_ms: 0 }
const embedding = { model: 'none', dimensions: null, done: 0, total: 0, corrupt: 0, stalled: null }

runService(memoryService, kernelForMemory, async (kernel) => {
  await kernel.start({})
  return {
    handlers: {
      configure: () => null,
      async ingest({ question, turn_id }, { signal }) {
        const { text } = question
        if (workMs > 0) await delay(workMs, undefined, { signal })
        if (text.includes('exit now')) process.exit(9)
        if (text.includes('fail now')) throw new Error('the stand-in fails')
        if (text.includes('babble now')) {
          for (let n = 0; n < 20; n++) writeToWire('{"jsonrpc":"2.0","id":')
          await delay(60_000, undefined, { signal })
        }
        if (record) appendFileSync(record, `${turn_id}\n`)
        const content = text.includes('empty now') ? ' ' : text
        return { ...nothing, add: [entry(content, { message_id: question.message_id })] }
      },
      note: ({ text, category, key, source, trusted }) => ({
        ...nothing,
        add: [entry(text, { tier: 'semantic', category: category ?? 'note', key, source, trusted })],
      }),
      search: () => ({ matches: [], trace }),
      recall: () => ({ entries: [], left_out: [], trace }),
      async consolidate(_, { signal }) {
        if (workMs > 0) await delay(workMs * 20, undefined, { signal })
        const report = { examined: 1, merged: 0, promoted: 1, pruned: 0, dropped: 0, took_ms: 0 }
        const owner = { agent_id: 'keel', scope_key: 'agent' }
        const add = [entry('tidied up', { tier: 'semantic', key: newId(), owner })]
        return { batches: [{ ...nothing, add }], report }
      },
      status: () => ({ embedding }),
      changed({ saved, removed }) {
        if (record) appendFileSync(record, `changed ${saved} ${removed}\n`)
        return null
      },
    },
  }
})
