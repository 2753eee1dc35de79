import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { openConfig } from '#kernel/config/live-config.ts'
import { createEventBus } from '#kernel/events/bus.ts'
import type { Store } from '#kernel/store/store.ts'
import { openToolbox } from '#kernel/tools/toolbox.ts'
import { acceptTurn } from '#kernel/turns/accept-turn.ts'
import { openInFlight } from '#kernel/turns/in-flight.ts'
import { TurnRunner } from '#kernel/turns/turn-runner.ts'
import { type ErrorKind, RuntimeError } from '#sdk/errors.ts'
import type { Client } from '#sdk/service.ts'
import type { agentService, TurnEnd } from '#sdk/services/agent.ts'
import { openApprovals } from '../support/approvals.ts'
import { tempHome } from '../support/temp-home.ts'
import { temporaryStore } from '../support/temp-store.ts'

type RunTurn = Client<typeof agentService>['run']

const done: TurnEnd = { status: 'ok', content: 'Noted.', reason: null, react_turns: 0 }

/** A runner on a store of its own, or on one that another runner has left. */
function runner(run: RunTurn, { store }: { store: Store } = temporaryStore()) {
  const log = pino({ enabled: false })
  const config = openConfig(tempHome(), {})
  const bus = createEventBus({ db: store.write, log })
  const inFlight = openInFlight()
  const approvals = openApprovals(store, bus)
  const turns = new TurnRunner({
    store,
    bus,
    config,
    log,
    agent: { run },
    approvals,
    toolbox: openToolbox([]),
    skillsFor: () => ({ active: [], index: [] }),
    version: '0.0.0',
    expectedModel: () => 'mock/test-model',
    onFinished: () => {},
  })
  onTestFinished(async () => {
    await turns.close(0)
    bus.close()
  })
  const deps = { store, bus, config: config.current(), inFlight, turns }
  return {
    store,
    turns,
    inFlight,
    accept: () => acceptTurn({ content: 'Note milk', grants: [], streamed: false }, deps),
  }
}

/** Fails as told, then answers; notes which attempts it was handed. */
function losing(...kinds: ErrorKind[]) {
  const attempts: number[] = []
  const run: RunTurn = async ({ attempt }) => {
    attempts.push(attempt)
    const kind = kinds.shift()
    if (kind) throw new RuntimeError(kind)
    return done
  }
  return { run, attempts }
}

test('a process that takes a turn up and is lost costs an attempt; none being there costs nothing', async () => {
  const { run, attempts } = losing('unavailable', 'outcome_unknown', 'unavailable', 'unavailable')
  const { outcome } = runner(run).accept()
  expect(await outcome).toMatchObject({ status: 'ok', content: 'Noted.' })
  expect(attempts).toEqual([1, 1, 2, 2, 2])
})

test('a message that is being answered is not taken again, also not by the next kernel', async () => {
  const first = runner(
    (_, options) => new Promise((_resolve, reject) => options?.signal?.addEventListener('abort', () => reject())),
  )
  const left = first.accept()
  expect(first.accept).toThrow('duplicate_request')
  await Promise.all([first.turns.close(0), expect(left.outcome).rejects.toMatchObject({ kind: 'unavailable' })])

  const answer = Promise.withResolvers<TurnEnd>()
  const next = runner(() => answer.promise, first)
  expect(next.turns.resumeUnfinished(next.inFlight)).toBe(1)
  expect(next.accept).toThrow('duplicate_request')
  answer.resolve(done)
  expect(await next.turns.find(left.turn_id)?.outcome).toMatchObject({ turn_id: left.turn_id, status: 'ok' })
  expect((await next.accept().outcome).status).toBe('ok')
})
