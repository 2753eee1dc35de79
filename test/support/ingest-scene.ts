import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { createEventBus } from '#kernel/events/bus.ts'
import { announcer } from '#kernel/memory/announce.ts'
import { IngestPump } from '#kernel/memory/ingest-pump.ts'
import { MemoryWork } from '#kernel/memory/memory-work.ts'
import { sql } from '#kernel/store/database.ts'
import { appendMessage } from '#kernel/store/messages.ts'
import { insertSession } from '#kernel/store/sessions.ts'
import type { Store } from '#kernel/store/store.ts'
import { insertTurn } from '#kernel/store/turns.ts'
import { type ServiceSpec, serviceSpec } from '#kernel/supervisor/spec.ts'
import { startSupervisor } from '#kernel/supervisor/supervisor.ts'
import { storeTurnEnd } from '#kernel/turns/finish-turn.ts'
import type { TurnRequest } from '#kernel/turns/turn-request.ts'
import type { events } from '#sdk/events.ts'
import { newId } from '#sdk/ids.ts'
import { kernelForMemory } from '#sdk/services/kernel.ts'
import { memoryService } from '#sdk/services/memory.ts'
import { temporaryStore } from './temp-store.ts'

export const someRequest: TurnRequest = {
  agent_id: 'keel',
  channel: 'web',
  authority: 'Creator',
  authority_sources: ['api'],
  authority_ceiling: null,
  sender_id: null,
  threat_score: 0,
  model_text: 'hello',
  model: 'auto',
  use_cache: false,
  max_seconds: 90,
  max_tokens: null,
  max_cost: null,
  model_call_timeout_ms: null,
  message_key: null,
  account: { job_id: null, subagent_id: null, api_key: null },
  streamed: false,
}

export function newSession({ write }: Pick<Store, 'write'>, scope_key = 'agent'): string {
  return insertSession(write, { agent_id: 'keel', scope_key }).id
}

/** A turn that has ended, as the runner ends one. Returns its id. */
export function endedTurn(
  store: Pick<Store, 'write'>,
  {
    session_id,
    question,
    answer = 'Noted.',
    status = 'ok',
    request = {},
  }: {
    session_id: string
    question: string
    answer?: string
    status?: Parameters<typeof storeTurnEnd>[1]['status']
    request?: Partial<TurnRequest>
  },
): string {
  const id = newId()
  const message = appendMessage(store.write, { session_id, role: 'user', content: question, turn_id: id })
  const request_json = JSON.stringify({ ...someRequest, model_text: question, ...request })
  insertTurn(store.write, { id, session_id, user_message_id: message.id, request_json })
  storeTurnEnd(store, { turn_id: id, status, content: answer, react_turns: 1, error: null })
  return id
}

/** The kernel's side of memory over a real store, with a plain memory service in a process of its own beneath it. */
export function ingestScene({
  workMs = 0,
  pumps = true,
  spec = {},
}: {
  /** How long the service takes over each turn. */
  workMs?: number
  /** Whether turns are taken up as soon as the service is there. */
  pumps?: boolean
  spec?: Partial<ServiceSpec<typeof memoryService, typeof kernelForMemory>>
} = {}) {
  const { store, path } = temporaryStore()
  const folder = mkdtempSync(join(tmpdir(), 'keel-memory-'))
  const record = join(folder, 'ingested')
  const logged: Record<string, unknown>[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(JSON.parse(line)) })
  const bus = createEventBus<typeof events>({ db: store.write, log })
  const seen: Record<string, unknown>[] = []
  bus.subscribe(({ text }) => void seen.push(JSON.parse(text)))
  const refuse = () => {
    throw new Error('not asked by the plain service')
  }
  const supervisor = startSupervisor({
    specs: [
      serviceSpec({
        contract: memoryService,
        entry: new URL('./services/plain-memory.ts', import.meta.url),
        kernel: {
          contract: kernelForMemory,
          handlers: {
            start: () => ({
              database: path,
              embedding_model: null,
              extract_by_model: false,
              hybrid_weight: 0.5,
              budget_pct: { working: 30, episodic: 25, semantic: 20, procedural: 15, relationship: 10 },
              half_life_days: 7,
              learning: { enabled: true, min_tool_sequence: 3, min_success_ratio: 0.7, stale_procedural_days: 30 },
            }),
            embed: refuse,
            ask: refuse,
            saveEmbeddings: refuse,
            reportEmbedding: () => null,
          },
        },
        heartbeat: { everyMs: 100, misses: 4 },
        env: { PLAIN_MEMORY_MS: String(workMs), PLAIN_MEMORY_RECORD: record },
        ...spec,
      }),
    ],
    runDir: folder,
    log,
    onLog: () => {},
    onStateChange: ({ state }) => {
      if (pumps && state === 'ready') pump.wake()
    },
  })
  const service = () => supervisor.client(memoryService)
  const work = new MemoryWork()
  const announce = announcer({ bus, service, log })
  const pump = new IngestPump({ store, bus, log, work, service, announce })
  const status = () => {
    const [only] = supervisor.status()
    if (!only) throw new Error('There is no service')
    return only
  }
  onTestFinished(async () => {
    const pumped = pump.close()
    await work.close()
    await pumped
    await supervisor.close(0)
    bus.close()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  return {
    store,
    path,
    bus,
    log,
    logged,
    supervisor,
    service,
    work,
    announce,
    pump,
    status,
    /** How often the service was done with a turn, whether the kernel heard of it or not. */
    ingested: () =>
      readFileSync(record, { encoding: 'utf8', flag: 'a+' })
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('changed')),
    /** What it was told of changes, as in `changed 1,2 3`. */
    toldOfChanges: () => readFileSync(record, { encoding: 'utf8', flag: 'a+' }).match(/^changed .*$/gm) ?? [],
    remembered: () =>
      sql(store.read, 'SELECT turn_id, content FROM memories ORDER BY seq').all() as {
        turn_id: string
        content: string
      }[],
    waiting: () =>
      sql(store.read, 'SELECT turn_id, attempts, last_error FROM memory_ingest').all() as {
        turn_id: string
        attempts: number
        last_error: string | null
      }[],
    eventsOf: (type: string) => seen.filter((event) => event.type === type),
  }
}
