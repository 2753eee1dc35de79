import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApprovalScene, openApprovalScene } from '../support/approval-scene.ts'
import { eventually } from '../support/daemon.ts'

let scene: ApprovalScene

beforeAll(async () => {
  scene = await openApprovalScene('enabled = true\ngated_tools = ["write_file"]\nanswer_wait_seconds = 0')
}, 30_000)
afterAll(() => scene.dispose())

test('a call that waits for a person outlives the agent, the kernel and its own session’s next messages', async () => {
  const waiting = await scene.ask('note milk')
  expect(waiting.content).toContain(`write_file (request ${waiting.request})`)
  expect(waiting.tool_calls).toMatchObject([{ tool_name: 'write_file', status: 'awaiting_approval' }])
  expect(scene.notes('milk')).toBe(0)

  await scene.killService('agent')
  await scene.restart()
  const { pending } = await scene.keel.client.approvals.listApprovals({ query: {} })
  expect(pending).toMatchObject([
    { id: waiting.request, status: 'Pending', tool_name: 'write_file', turn_id: waiting.turn_id },
  ])
  expect(JSON.parse(pending[0]?.tool_input ?? '')).toEqual({ path: 'notes.txt', content: 'milk\n', append: true })
  // What comes after it does not wait for it.
  expect((await scene.ask('hello', waiting.session_id)).content).toBe('Hello.')

  const { approval } = await scene.approve(waiting.request, { decided_by: 'ann' })
  expect(approval).toMatchObject({ status: 'Approved', decided_by: 'ann', scope: 'once' })
  expect(await scene.told(waiting.session_id)).toContain('write_file: success')
  expect(scene.notes('milk')).toBe(1)
  await expect(scene.approve(waiting.request)).rejects.toMatchObject({ kind: 'conflict' })
})

test('a request whose time is over while no kernel runs has expired when one does', async () => {
  await scene.keel.client.config.updateConfig({ body: { approvals: { timeout_seconds: 1 } } })
  const waiting = await scene.ask('note wine')
  const { timeout_at } = await scene.keel.client.approvals.getApproval({ params: { id: waiting.request } })
  await scene.keel.stop('SIGKILL')
  await eventually('its time is over', () => Date.now() >= Date.parse(timeout_at))
  await scene.start()
  const approval = await scene.keel.client.approvals.getApproval({ params: { id: waiting.request } })
  expect(approval.status).toBe('TimedOut')
  expect(await scene.told(waiting.session_id)).toContain('nobody decided in time')
  expect(scene.notes('wine')).toBe(0)
})
