import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApprovalScene, openApprovalScene } from '../support/approval-scene.ts'
import { keel } from '../support/cli-run.ts'
import { eventually } from '../support/daemon.ts'
import { runKeel } from '../support/run-keel.ts'

/*
 * A person who wants to be asked before files are written: from the question in one terminal to the decision in another.
 */

let scene: ApprovalScene

beforeAll(async () => {
  scene = await openApprovalScene('enabled = true\ngated_tools = ["write_*"]\ntimeout_seconds = 600')
}, 30_000)
afterAll(() => scene.dispose())

const env = () => ({ KEEL_HOME: scene.home, KEEL_URL: scene.keel.url })
const approvals = (...args: string[]) => keel(['approvals', ...args], { env: env() })

/** Waits until a person would see a request in the list. */
async function requestOf(note: string): Promise<string> {
  let id = ''
  await eventually(
    `${note} is asked about`,
    async () => {
      const { pending } = JSON.parse((await approvals('list', '--json')).stdout) as {
        pending: { id: string; tool_input: string }[]
      }
      id = pending.find(({ tool_input }) => tool_input.includes(note))?.id ?? ''
      return id !== ''
    },
    15_000,
  )
  return id
}

test('nothing waits, and it says so', async () => {
  expect((await approvals('list')).stdout).toBe('Nothing waits for an approval.\n')
  expect((await approvals('list', '--all')).stdout).toBe('Nothing was ever held for an approval.\n')
  expect((await approvals('grants')).stdout).toBe('There are no standing approvals.\n')
})

test('a chat waits until its call is allowed in another terminal, and then has its answer', async () => {
  const chat = runKeel(['chat', 'note', 'milk'], { home: scene.home, env: env() })
  const request = await requestOf('milk')
  expect((await approvals('list')).stdout).toMatch(new RegExp(`${request} +write_file +Caution +web +Pending +\\d`))
  const shown = (await approvals('show', request)).stdout
  expect(shown).toContain("why       tool 'write_file' needs an approval")
  expect(shown).toContain('"content": "milk\\n"')
  expect(scene.notes('milk')).toBe(0)

  const approved = await runKeel(['approvals', 'approve', request], { home: scene.home, env: env() })
  expect(approved).toMatchObject({ code: 0, output: 'write_file is approved and goes on.\n' })
  const { code, output } = await chat
  expect(code).toBe(0)
  expect(output).toContain(`Decide with: keel approvals approve ${request}`)
  expect(output).toContain('Told: write_file: success')
  expect(scene.notes('milk')).toBe(1)
  expect((await approvals('show', request)).stdout).toContain('output (success)')
})

test('a call is denied with a reason, which the agent passes on', async () => {
  const chat = runKeel(['chat', 'note', 'beer'], { home: scene.home, env: env() })
  const request = await requestOf('beer')
  expect((await approvals('deny', request, '--reason', 'enough')).stdout).toBe('write_file is denied.\n')
  expect((await chat).output).toContain('Denied by the operator: enough.')
  expect(scene.notes('beer')).toBe(0)
  const again = await approvals('approve', request)
  expect(again.code).not.toBe(0)
  expect(again.stderr).toContain('is already Denied')
})

test('what is allowed for a session is not asked about again, until it is taken back', async () => {
  const { id } = await scene.keel.client.sessions.createSession({ body: {} })
  const say = (...words: string[]) => runKeel(['chat', '--session', id, ...words], { home: scene.home, env: env() })
  const chat = say('note', 'juice')
  const request = await requestOf('juice')
  expect((await approvals('approve', request, '--scope', 'forever')).stderr).toContain('--scope')
  const approved = JSON.parse((await approvals('approve', request, '--scope', 'session', '--json')).stdout)
  expect(approved).toMatchObject({ status: 'approved', approval: { decided_by: 'cli', scope: 'session' } })
  expect((await chat).code).toBe(0)
  expect((await say('Note', 'juice')).output).not.toContain('Decide with')
  expect(scene.notes('juice')).toBe(2)

  expect((await approvals('grants')).stdout).toContain(`session ${id}`)
  const { grants } = JSON.parse((await approvals('grants', '--json')).stdout)
  expect(grants).toMatchObject([{ session_id: id, tool_name: 'write_file' }])
  expect((await approvals('revoke', grants[0].id)).stdout).toBe(`${grants[0].id} is taken back.\n`)
  expect((await approvals('revoke', grants[0].id)).stderr).toContain('not found')
  const asked = say('note', 'juice')
  const next = await requestOf('juice')
  expect(JSON.parse((await approvals('deny', next, '--json')).stdout)).toMatchObject({ status_text: 'denied' })
  await asked
  expect(scene.notes('juice')).toBe(2)
})

test('what hides from a terminal is shown as it is, and can not steer the terminal', async () => {
  const { id } = await scene.keel.client.sessions.createSession({ body: {} })
  const said = scene.keel.client.agent.sendMessage({
    body: { content: 'note safe\u202etxt.exe\u009b2J', session_id: id },
  })
  const request = await requestOf('txt.exe')
  const shown = (await approvals('show', request)).stdout
  expect(shown).toContain('safe\\u202etxt.exe\\u009b2J\\n')
  expect(shown).not.toMatch(/[\u202e\u009b]/)
  await approvals('deny', request)
  await said
})
