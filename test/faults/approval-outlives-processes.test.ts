import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keel as keelCommand } from '../support/cli-run.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const config = `[cache]
enabled = false

[approvals]
enabled = true
gated_tools = ["write_file"]
answer_wait_seconds = 0
`
const home = mkdtempSync(join(tmpdir(), 'keel-home-'))

let upstream: Upstream
let keel: Daemon

beforeAll(async () => {
  upstream = await startUpstream((request) => {
    const { messages } = request.body as { messages: { role: string; content: string }[] }
    const last = messages.at(-1)
    if (last?.role === 'tool') return { text: `Told: ${last.content}` }
    const note = /^note (\w+)/i.exec(last?.content ?? '')?.[1]
    if (!note) return { text: 'Hello.' }
    const input = { path: 'notes.txt', content: `${note}\n`, append: true }
    return { toolCalls: [{ name: 'write_file', arguments: JSON.stringify(input) }] }
  })
  keel = await startDaemon({ home, config: upstreamConfig(upstream.url, config) })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
  rmSync(home, { recursive: true, force: true })
})

async function ask(content: string) {
  const answer = await keel.client.agent.sendMessage({ body: { content } })
  return { ...answer, request: answer.pending_approvals[0] ?? '' }
}

async function lastAnswer(session_id: string): Promise<string> {
  const { messages } = await keel.client.sessions.listMessages({ params: { id: session_id } })
  return messages.at(-1)?.content ?? ''
}

function notes(): string[] {
  try {
    return readFileSync(join(home, 'workspace', 'notes.txt'), 'utf8')
      .trim()
      .split('\n')
  } catch {
    return []
  }
}

async function killAgent(): Promise<void> {
  const { services } = await keel.client.services.listServices()
  const agent = services.find(({ name }) => name === 'agent')
  process.kill(agent?.pid ?? 0, 'SIGKILL')
  await eventually('the agent is back', async () => {
    const now = (await keel.client.services.listServices()).services.find(({ name }) => name === 'agent')
    return now?.state === 'ready' && now.pid !== agent?.pid
  })
}

test('a call that waits for a person outlives the agent, the kernel and its own session’s next messages', async () => {
  const waiting = await ask('note milk')
  expect(waiting.content).toContain(`write_file (request ${waiting.request})`)
  expect(waiting.tool_calls).toMatchObject([{ tool_name: 'write_file', status: 'awaiting_approval' }])
  expect(notes()).toEqual([])

  await killAgent()
  await keel.stop('SIGKILL')
  keel = await startDaemon({ home })
  const { pending } = await keel.client.approvals.listApprovals({ query: {} })
  expect(pending).toMatchObject([
    { id: waiting.request, status: 'Pending', tool_name: 'write_file', turn_id: waiting.turn_id },
  ])
  expect(JSON.parse(pending[0]?.tool_input ?? '')).toEqual({ path: 'notes.txt', content: 'milk\n', append: true })
  // What comes after it does not wait for it.
  expect((await ask('hello')).content).toBe('Hello.')

  const { approval } = await keel.client.approvals.approveRequest({
    params: { id: waiting.request },
    body: { decided_by: 'ann' },
  })
  expect(approval).toMatchObject({ status: 'Approved', decided_by: 'ann', scope: 'once' })
  await eventually('the turn goes on', async () => (await lastAnswer(waiting.session_id)).startsWith('Told:'))
  expect(await lastAnswer(waiting.session_id)).toContain('write_file: success')
  expect(notes()).toEqual(['milk'])

  const { decisions } = await keel.client.audit.listPolicyDecisions({ params: { turn_id: waiting.turn_id } })
  const approval_id = waiting.request
  expect(decisions).toMatchObject([
    { decision: 'gate', rule_name: 'approval', approval_id, context: { sources: ['api'], ceiling: null } },
    { decision: 'allow', rule_name: 'approval', reason: 'approved by ann', approval_id },
  ])
  const again = keel.client.approvals.approveRequest({ params: { id: waiting.request }, body: {} })
  await expect(again).rejects.toMatchObject({ kind: 'conflict' })
  const unknown = keel.client.approvals.approveRequest({ params: { id: 'nobody' }, body: {} })
  await expect(unknown).rejects.toMatchObject({ kind: 'not_found' })
})

test('what is denied never runs and the model is told the reason; what is approved always is not asked about again', async () => {
  const before = notes()
  const denied = await ask('note beer')
  await keel.client.approvals.denyRequest({ params: { id: denied.request }, body: { reason: 'too late' } })
  await eventually('the model is told', async () => (await lastAnswer(denied.session_id)).includes('too late'))
  expect(notes()).toEqual(before)

  const tea = await ask('note tea')
  await keel.client.approvals.approveRequest({ params: { id: tea.request }, body: { scope: 'always' } })
  await eventually('the note is there', () => notes().includes('tea'))
  await eventually('the turn is over', async () => (await lastAnswer(tea.session_id)).startsWith('Told:'))
  const again = await ask('Note tea')
  expect(again.pending_approvals).toEqual([])
  expect(notes().filter((note) => note === 'tea')).toHaveLength(2)
  // Another input is another call.
  const coffee = await ask('note coffee')
  expect(coffee.pending_approvals).toHaveLength(1)

  const { grants } = await keel.client.approvals.listApprovalGrants()
  expect(grants).toMatchObject([{ tool_name: 'write_file', session_id: null }])
  await keel.client.approvals.deleteApprovalGrant({ params: { id: grants[0]?.id ?? '' } })
  expect((await ask('note tea')).pending_approvals).toHaveLength(1)
})

test('a turn that is cancelled takes its request along', async () => {
  const { turn_id, request } = await ask('note wine')
  await keel.client.turns.cancelTurn({ params: { id: turn_id } })
  await eventually('the request is withdrawn', async () => {
    const { status, decided_by } = await keel.client.approvals.getApproval({ params: { id: request } })
    return status === 'Denied' && decided_by === 'keel'
  })
  expect(notes()).not.toContain('wine')
})

test('from the command line a request is seen in full, decided, and what stands is taken back', async () => {
  const cli = (...args: string[]) => keelCommand(args, { env: { KEEL_HOME: home, KEEL_URL: keel.url } })
  const { request, session_id } = await ask('note juice')
  expect((await cli('approvals', 'list')).stdout).toMatch(new RegExp(`${request} +write_file +Caution +web +Pending`))
  expect((await cli('approvals', 'show', request)).stdout).toContain('"content": "juice\\n"')
  expect((await cli('approvals', 'approve', request, '--scope', 'forever')).stderr).toContain('--scope')
  const approved = await cli('approvals', 'approve', request, '--scope', 'session')
  expect(approved).toMatchObject({ code: 0, stdout: 'write_file is approved (session) and goes on.\n' })
  await eventually('the turn is over', async () => (await lastAnswer(session_id)).startsWith('Told:'))
  expect(notes()).toContain('juice')
  const shown = JSON.parse((await cli('approvals', 'show', request, '--json')).stdout)
  expect(shown).toMatchObject({ status: 'Approved', decided_by: 'cli', tool_call: { status: 'success' } })
  const { grants } = JSON.parse((await cli('approvals', 'grants', '--json')).stdout)
  expect(grants).toMatchObject([{ session_id, tool_name: 'write_file' }])
  expect((await cli('approvals', 'revoke', grants[0].id)).code).toBe(0)
  const again = await ask('note juice')
  expect((await cli('approvals', 'deny', again.request, '--reason', 'enough')).stdout).toBe('write_file is denied.\n')
  expect((await cli('approvals', 'deny', again.request)).stderr).toContain('is already Denied')
})
