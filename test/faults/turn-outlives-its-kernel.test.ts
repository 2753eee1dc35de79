import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/daemon.ts'
import { type PointName, points } from '../support/turn-points.ts'
import { type Door, lastWords, openTurnScene, type TurnScene } from '../support/turn-scene.ts'

const unknownOutcome = 'nobody knows whether it took effect'

let scene: TurnScene

beforeAll(async () => {
  scene = await openTurnScene()
}, 30_000)

afterAll(() => scene.dispose())

interface Expected {
  /** How often the model is asked the question, and how often it is shown what its tools have done. */
  asked: { first: number; last: number }
  /** How the tool ended; `unknown` is told to the model. */
  status: 'success' | 'unknown'
  /** How often the turn's mark is written. */
  marks: number
}

const once: Expected = { asked: { first: 1, last: 1 }, status: 'success', marks: 1 }
const readsOnly: Expected = { ...once, marks: 0 }

const table: [point: PointName, door: Door, expected: Expected][] = [
  ['before the context is saved', 'message', once],
  ['between the context and the model', 'stream', once],
  ['while the model thinks', 'message', { ...once, asked: { first: 2, last: 1 } }],
  ['while the model speaks', 'stream', { ...once, asked: { first: 2, last: 1 } }],
  ['between the model and the tool', 'message', readsOnly],
  // The process that had the call was stopped, and the next kernel ended it.
  ['inside a tool that may not run twice', 'stream', { ...once, status: 'unknown', marks: 0 }],
  ['inside a tool that may run twice', 'message', readsOnly],
  ['between the tool and its record', 'stream', { ...once, status: 'unknown' }],
  ['between the tool and the model', 'message', once],
  ['between the answer and its delivery', 'stream', once],
]

test.each(table)('the kernel is killed %s: the next one finishes the turn', async (point, door, expected) => {
  scene.script({})
  expect((await scene[door]()).content).toBe(lastWords)
  expect(scene.marks()).toBe(1)
  await scene.lookAround()

  const turn = await points[point](scene, scene[door])
  await scene.kill('kernel')
  expect(await turn.answer).toBeInstanceOf(Error)
  await scene.restart()
  const { id, session_id } = await finished()
  const { messages } = await scene.keel.client.sessions.listMessages({ params: { id: session_id } })
  const said = messages.filter(({ turn_id }) => turn_id === id).map(({ role, content }) => `${role}: ${content}`)
  expect(said).toEqual(['user: Note milk', `assistant: ${lastWords}`])
  expect(scene.asked()).toEqual(expected.asked)
  expect(scene.marks()).toBe(expected.marks)
  const { tool_calls } = await scene.keel.client.turns.listTurnTools({ params: { id } })
  expect(tool_calls.map(({ status }) => status)).toEqual([expected.status])
  expect(scene.shown().includes(unknownOutcome)).toBe(expected.status === 'unknown')

  scene.script({})
  expect((await scene[door]()).content).toBe(lastWords)
  expect(scene.marks()).toBe(1)
})

/** The newest turn, once it is over. */
async function finished(): Promise<{ id: string; session_id: string }> {
  await eventually('the turn is over', () => scene.newestTurn().status === 'ok', 10_000)
  return scene.newestTurn()
}

test('the kernel is killed when an answer is stored and not yet delivered: it is given once', async () => {
  const long = 'word '.repeat(100_000).trim()
  scene.script({})
  expect((await scene.message()).content).toBe(lastWords)
  await scene.lookAround()
  const { id: before } = scene.newestTurn()
  scene.script({ last: { chunks: [long] } })
  const lost = scene.message().catch((thrown: Error) => thrown)
  await scene.sees('the answer is stored', () => {
    // In one look: between two of them the turn before may become the turn before last.
    const { id, status } = scene.newestTurn()
    return status === 'ok' && id !== before
  })
  await scene.kill('kernel')
  await lost
  await scene.restart()
  const { id, session_id } = scene.newestTurn()
  const { messages } = await scene.keel.client.sessions.listMessages({ params: { id: session_id } })
  const answers = messages.filter(({ role, turn_id }) => role === 'assistant' && turn_id === id)
  expect(answers.map(({ content }) => content.length)).toEqual([long.length])
  expect(scene.asked()).toEqual({ first: 1, last: 1 })
  scene.script({})
  expect((await scene.message()).content).toBe(lastWords)
})

test('whoever asks the same again while the next kernel finishes the turn is told that it is under way', async () => {
  scene.script({})
  expect((await scene.message()).content).toBe(lastWords)
  await scene.lookAround()

  const { answer } = await points['while the model thinks'](scene, scene.message)
  await scene.kill('kernel')
  expect(await answer).toBeInstanceOf(Error)
  const thinking = Promise.withResolvers<void>()
  scene.script({ first: { ...scene.writeMark(), until: thinking.promise } })
  await scene.restart()
  await scene.modelIsAsked(1)
  const { session_id } = scene.newestTurn()
  const again = () => scene.keel.client.agent.sendMessage({ body: { content: 'Note milk', session_id } })
  await expect(again()).rejects.toMatchObject({ kind: 'rate_limited', message: 'duplicate_request' })
  thinking.resolve()
  await finished()
  expect(scene.marks()).toBe(1)

  scene.script({})
  expect((await again()).content).toBe(lastWords)
})
