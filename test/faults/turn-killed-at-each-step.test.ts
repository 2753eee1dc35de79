import { afterAll, beforeAll, expect, test } from 'vitest'
import { type PointName, points } from '../support/turn-points.ts'
import { type Door, lastWords, openTurnScene, type ServiceName, type TurnScene } from '../support/turn-scene.ts'

const unknownOutcome = 'nobody knows whether it took effect'

let scene: TurnScene

beforeAll(async () => {
  scene = await openTurnScene()
}, 30_000)

afterAll(() => scene.dispose())

interface Expected {
  /** How often the model is asked the question, and how often it is shown what its tools have done. */
  asked: { first: number; last: number }
  /** How the tool may have ended; `unknown` is told to the model. */
  statuses: string[]
  /** How often the turn's mark is written. */
  marks: number
}

const once: Expected = { asked: { first: 1, last: 1 }, statuses: ['success'], marks: 1 }
const askedAgain: Expected = { ...once, asked: { first: 2, last: 1 } }
const answeredAgain: Expected = { ...once, asked: { first: 1, last: 2 } }
/** It has run, but whether the kernel gets to hear of that is chance. */
const runOnce: Expected = { ...once, statuses: ['success', 'unknown'] }
const readsOnly: Expected = { ...once, marks: 0 }

const table: [killed: ServiceName, point: PointName, door: Door, expected: Expected][] = [
  ['agent', 'before the context is saved', 'message', once],
  ['agent', 'between the context and the model', 'message', once],
  ['agent', 'while the model speaks', 'stream', askedAgain],
  ['agent', 'between the model and the tool', 'stream', readsOnly],
  ['agent', 'between the tool and its record', 'message', runOnce],
  ['agent', 'between the tool and the model', 'message', once],
  ['agent', 'while the model answers', 'stream', answeredAgain],
  ['agent', 'between the answer and its delivery', 'stream', once],
  ['inference', 'before the context is saved', 'stream', once],
  ['inference', 'while the model thinks', 'message', askedAgain],
  ['inference', 'between the model and the tool', 'message', readsOnly],
  ['inference', 'inside a tool that may not run twice', 'stream', once],
  ['inference', 'while the model answers', 'stream', answeredAgain],
  ['tools', 'before the context is saved', 'message', once],
  ['tools', 'inside a tool that may run twice', 'stream', readsOnly],
  ['tools', 'between the tool and its record', 'stream', runOnce],
]

test.each(table)('%s is killed %s: the %s caller gets the answer', async (killed, point, door, expected) => {
  const ask = scene[door]
  scene.script({})
  expect((await ask()).content).toBe(lastWords)
  expect(scene.marks()).toBe(1)
  await scene.lookAround()

  const turn = await points[point](scene, ask)
  await scene.kill(killed)
  // What hung with the process that was to be killed hangs no more.
  scene.thawAll()
  const heard = await turn.answer
  if (heard instanceof Error) throw heard
  expect(heard.content).toBe(lastWords)
  expect(scene.asked()).toEqual(expected.asked)
  expect(scene.marks()).toBe(expected.marks)
  const { tool_calls } = await scene.keel.client.turns.listTurnTools({ params: { id: heard.turn_id } })
  expect(tool_calls.map(({ status }) => status)).toEqual([expect.toBeOneOf(expected.statuses)])
  expect(scene.shown().includes(unknownOutcome)).toBe(tool_calls[0]?.status === 'unknown')

  scene.script({})
  expect((await ask()).content).toBe(lastWords)
  expect(scene.marks()).toBe(1)
})
