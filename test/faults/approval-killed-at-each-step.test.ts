import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { type ApprovalScene, type AskedAnswer, openApprovalScene } from '../support/approval-scene.ts'
import { eventually } from '../support/daemon.ts'

/*
 * A call waits for a person, is allowed, runs, and the model is told. Whatever dies in between: the call takes effect once,
 * or its outcome is told as unknown, and the turn ends.
 */

/** Each starts kernels anew, which takes its time on a machine that is busy. */
vi.setConfig({ testTimeout: 60_000 })

const unknownOutcome = 'nobody knows whether it took effect'

let scene: ApprovalScene

beforeAll(async () => {
  scene = await openApprovalScene('enabled = true\ngated_tools = ["write_file", "tally_add"]\nanswer_wait_seconds = 0')
  await scene.keel.client.plugins.enablePlugin({ params: { name: 'tally' } })
}, 30_000)
afterEach(() => scene.thawAll())
afterAll(() => scene.dispose())

const detail = (id: string) => scene.keel.client.approvals.getApproval({ params: { id } })

async function isAtWork(service: string): Promise<boolean> {
  const { services } = await scene.keel.client.services.listServices()
  return services.some(({ name, calls_in_flight }) => name === service && calls_in_flight > 0)
}

/** Takes a waiting call to the step in the name, and stays there until `killed` dies. */
const steps = {
  'before the decision': async (asked: AskedAnswer, kill: () => Promise<void>) => {
    await kill()
    await scene.approve(asked.request)
  },
  'after the decision, before the run': async (asked: AskedAnswer, kill: () => Promise<void>) => {
    await scene.freeze('agent')
    await scene.approve(asked.request)
    await eventually('the agent has the turn', () => isAtWork('agent'))
    expect(await detail(asked.request)).toMatchObject({ status: 'Approved', used_at: null })
    await kill()
  },
  'during the run': async (asked: AskedAnswer, kill: () => Promise<void>) => {
    await scene.freeze('tools')
    await scene.approve(asked.request)
    await eventually('the tool has the call', () => isAtWork('tools'))
    expect(await detail(asked.request)).toMatchObject({ tool_call: { status: 'running' } })
    await kill()
  },
  'after the run, before the model is told': async (asked: AskedAnswer, kill: () => Promise<void>) => {
    const before = scene.upstream.requests.length
    const release = scene.holdAnswers()
    await scene.approve(asked.request)
    await eventually('the model is told', () => scene.upstream.requests.length > before)
    await kill()
    release()
  },
}
type Step = keyof typeof steps

const table: [killed: 'kernel' | 'agent', step: Step, status: 'success' | 'unknown', notes: number[]][] = [
  ['kernel', 'before the decision', 'success', [1]],
  ['kernel', 'after the decision, before the run', 'success', [1]],
  // What was frozen may still do what it was told.
  ['kernel', 'during the run', 'unknown', [0, 1]],
  ['kernel', 'after the run, before the model is told', 'success', [1]],
  ['agent', 'before the decision', 'success', [1]],
  ['agent', 'after the decision, before the run', 'success', [1]],
  ['agent', 'during the run', 'unknown', [0, 1]],
  ['agent', 'after the run, before the model is told', 'success', [1]],
]

let rounds = 0

test.each(table)('the %s is killed %s: the outcome is %s', async (killed, step, status, notes) => {
  const note = `round ${++rounds}`
  // So that the tools service is there to be stopped.
  await scene.ask('read notes.txt')
  const asked = await scene.ask(`note ${note}`)
  expect(asked.pending_approvals).toHaveLength(1)
  await steps[step](asked, async () => {
    if (killed === 'kernel') await scene.restart()
    else await scene.killService(killed)
    scene.thawAll()
  })
  const told = await scene.told(asked.session_id)
  expect(told.includes(unknownOutcome)).toBe(status === 'unknown')
  expect(notes).toContain(scene.notes(note))
  const approval = await detail(asked.request)
  expect(approval).toMatchObject({ status: 'Approved', used_at: expect.any(String), tool_call: { status } })
  const { tool_calls } = await scene.keel.client.audit.listToolAudit({ params: { turn_id: asked.turn_id } })
  expect(tool_calls).toMatchObject([{ tool_name: 'write_file', status, approval_id: asked.request }])
  expect(await scene.keel.client.turns.getTurn({ params: { id: asked.turn_id } })).toMatchObject({ status: 'ok' })
  // And nothing of it comes back.
  await expect(scene.approve(asked.request)).rejects.toMatchObject({ kind: 'conflict' })
  const settled = scene.notes(note)
  await scene.ask('hello')
  expect(scene.notes(note)).toBe(settled)
})

/** A kernel reads its plugins while it is up already. */
async function restartWithPlugins(): Promise<void> {
  await scene.restart()
  await eventually(
    'the plugin is there',
    async () => {
      const { plugins } = await scene.keel.client.plugins.listPlugins()
      return plugins.some(({ name, status }) => name === 'tally' && status === 'Active')
    },
    15_000,
  )
}

async function execute(by: number): Promise<string> {
  const answer = await scene.keel.client.plugins.executePluginTool({
    params: { name: 'tally', tool: 'tally_add' },
    body: { by },
  })
  if (!('request_id' in answer)) throw new Error(`It did not wait: ${JSON.stringify(answer)}`)
  return answer.request_id
}

async function sum(): Promise<number> {
  const answer = await scene.keel.client.plugins.executePluginTool({
    params: { name: 'tally', tool: 'tally_read' },
    body: {},
  })
  if (!('result' in answer)) throw new Error('It waits')
  return JSON.parse(answer.result.output).sum
}

test('a call over the API outlives the kernel while it waits, and one that runs ends as unknown', async () => {
  const waiting = await execute(1)
  await restartWithPlugins()
  expect(await detail(waiting)).toMatchObject({ status: 'Pending', tool_call: { status: 'awaiting_approval' } })
  const before = await sum()
  await scene.approve(waiting)
  await eventually('it has run', async () => (await detail(waiting)).tool_call?.status === 'success')
  expect(await sum()).toBe(before + 1)

  const running = await execute(10)
  await scene.freeze('sandbox')
  await scene.approve(running)
  await eventually('it runs', async () => (await detail(running)).tool_call?.status === 'running')
  await restartWithPlugins()
  scene.thawAll()
  expect((await detail(running)).tool_call).toMatchObject({
    status: 'unknown',
    output: expect.stringContaining(unknownOutcome),
  })
  // The approval is used: no start runs it again.
  await restartWithPlugins()
  expect([before + 1, before + 11]).toContain(await sum())
  expect((await detail(running)).tool_call?.status).toBe('unknown')
})
