import { eventually } from './daemon.ts'
import { type Heard, lastWords, type TurnScene } from './turn-scene.ts'

/** A turn that is held where something is about to die. */
export interface HeldTurn {
  /** Settles with what the caller gets, or with the error that it meets. */
  answer: Promise<Heard | Error>
}

type Ask = (session_id?: string) => Promise<Heard>

/** Asks, and returns once the turn is at the point in the name, where it stays until its processes are thawed or killed. */
export type HoldTurn = (scene: TurnScene, ask: Ask) => Promise<HeldTurn>

/** An answer of so many characters takes a while to be passed on, in which a process can be stopped. */
const longAnswer = 'word '.repeat(100_000)
const maxTries = 40

function asked(ask: Ask, session_id?: string): HeldTurn {
  return { answer: ask(session_id).catch((thrown: Error) => thrown) }
}

const isAt =
  (...wanted: string[]) =>
  (journal: string[], status: string) =>
    status === 'running' && journal.join() === wanted.join()

const readsFolder = { toolCalls: [{ name: 'list_directory', arguments: '{}' }] }

export const points = {
  async 'before the context is saved'(scene, ask) {
    scene.script({})
    scene.freeze('agent')
    const turn = asked(ask)
    await scene.sees('the turn begins', isAt())
    return turn
  },

  async 'between the context and the model'(scene, ask) {
    // The conversation is long, so that the agent can be stopped between what it saves and what it asks next.
    scene.script({ last: { chunks: [longAnswer] } })
    const { session_id } = await ask()
    for (let tries = 0; tries < maxTries; tries++) {
      scene.script({})
      const turn = asked(ask, session_id)
      await scene.sees('the context', (journal, status) => status === 'running' && journal.length > 0)
      scene.freeze('agent')
      // Whatever the agent had sent before it stopped is read by the time this is answered.
      await scene.keel.client.services.listServices()
      if (isAt('context')(scene.journal(), 'running')) return turn
      scene.thaw('agent')
      await turn.answer
    }
    throw new Error(`The agent was never stopped in time, in ${maxTries} turns`)
  },

  async 'while the model thinks'(scene, ask) {
    scene.script({ first: { fault: 'hang' } })
    const turn = asked(ask)
    await scene.modelIsAsked(1)
    return turn
  },

  async 'while the model speaks'(scene, ask) {
    scene.script({ first: { chunks: ['Let ', 'me '], fault: 'hang', afterChunks: 2 } })
    const turn = asked(ask)
    await eventually('something is heard', () => scene.heard() !== '')
    return turn
  },

  async 'between the model and the tool'(scene, ask) {
    const thinking = Promise.withResolvers<void>()
    scene.script({ first: { ...readsFolder, until: thinking.promise } })
    const turn = asked(ask)
    await scene.modelIsAsked(1)
    scene.freeze('agent')
    thinking.resolve()
    await scene.sees('the answer is on record', isAt('context', 'inference done'))
    return turn
  },

  async 'inside a tool that may not run twice'(scene, ask) {
    scene.script({})
    return insideTool(scene, ask)
  },

  async 'inside a tool that may run twice'(scene, ask) {
    scene.script({ first: readsFolder })
    return insideTool(scene, ask)
  },

  async 'between the tool and its record'(scene, ask) {
    scene.script({})
    const turn = await insideTool(scene, ask)
    scene.freeze('kernel')
    scene.thaw('tools')
    await eventually('the tool has run', () => scene.marks() === 1)
    return turn
  },

  async 'between the tool and the model'(scene, ask) {
    scene.script({})
    const turn = await insideTool(scene, ask)
    scene.freeze('agent')
    scene.thaw('tools')
    await scene.sees('the outcome is on record', isAt('context', 'inference done', 'tool done'))
    return turn
  },

  async 'while the model answers'(scene, ask) {
    scene.script({ last: { chunks: ['No', 'ted'], fault: 'hang', afterChunks: 1 } })
    const turn = asked(ask)
    await scene.modelIsAsked(2)
    return turn
  },

  async 'between the answer and its delivery'(scene, ask) {
    const thinking = Promise.withResolvers<void>()
    scene.script({ last: { text: lastWords, until: thinking.promise } })
    const turn = asked(ask)
    await scene.modelIsAsked(2)
    scene.freeze('agent')
    thinking.resolve()
    await scene.sees('the answer is on record', isAt('context', 'inference done', 'tool done', 'inference done'))
    return turn
  },
} satisfies Record<string, HoldTurn>

export type PointName = keyof typeof points

/** Holds the turn where the tools service has its call and does nothing. */
async function insideTool(scene: TurnScene, ask: Ask): Promise<HeldTurn> {
  scene.freeze('tools')
  const turn = asked(ask)
  await scene.sees('the tool begins', isAt('context', 'inference done', 'tool started'))
  await eventually('the tools service has the call', async () => {
    const { services } = await scene.keel.client.services.listServices()
    return services.some(({ name, calls_in_flight }) => name === 'tools' && calls_in_flight > 0)
  })
  return turn
}
