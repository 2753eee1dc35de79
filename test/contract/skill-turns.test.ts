import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { EventFollower } from '../support/event-follower.ts'
import { skillText, writeFiles } from '../support/skills-scene.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import type { UpstreamReply } from '../support/upstream-reply.ts'

let keel: Daemon
let upstream: Upstream
let dir: string
let follower: EventFollower

beforeAll(async () => {
  upstream = await startUpstream()
  keel = await startDaemon({
    config: upstreamConfig(upstream.url, '[cache]\nenabled = false\n[skills]\nhot_reload = false\n'),
  })
  dir = join(keel.home, 'skills')
  follower = new EventFollower(keel)
  await follower.connect()
}, 30_000)

afterAll(async () => {
  await follower.cut()
  await keel.dispose()
  await upstream.close()
})

beforeEach(async () => {
  rmSync(join(dir, 'ferry'), { recursive: true, force: true })
  await keel.client.skills.reloadSkills()
  // Forgets what was decided about it.
  await keel.client.skills.repairSkills()
  follower.events.length = 0
})

const script = '#!/bin/sh\necho "ferries: $1 $(cat)"\n'
async function install(files: Record<string, string> = {}, more = '') {
  const triggers = 'triggers:\n  keywords: [ferry]\n'
  const text = skillText('ferry', { more: triggers + more, body: 'Ask which harbour. Then run the script.' })
  writeFiles(dir, { 'ferry/SKILL.md': text, 'ferry/scripts/times.sh': script, ...files })
  await keel.client.skills.reloadSkills()
}

async function ask(content: string, replies: UpstreamReply[] = []) {
  upstream.script([...replies, { text: 'Done.' }])
  upstream.requests.length = 0
  const { id: session_id } = await keel.client.sessions.createSession({ body: { nickname: 'Ferries' } })
  return keel.client.agent.sendMessage({ body: { content, session_id } })
}

const runs = (input: object): UpstreamReply => ({
  toolCalls: [{ name: 'run_script', arguments: JSON.stringify(input) }],
})
const times = { path: 'ferry/scripts/times.sh', args: ['north'], input: 'today' }
const shown = (index = -1) => JSON.stringify(upstream.requests.at(index)?.body.messages)
const activated = () => follower.events.filter(({ type }) => type === 'skill_activated')
const trust = () => keel.client.skills.trustSkill({ params: { id: 'ferry' }, body: {} })

test('a skill that fits stands before the model, is announced and on record; others are named', async () => {
  await install()
  const { turn_id, session_id } = await ask('When does the ferry leave?')
  expect(shown()).toContain('## Active Skills\\n\\n### ferry\\n')
  expect(shown()).toContain('Ask which harbour.')
  expect(shown()).toContain('- introspection: Tell what Keel is doing')
  await eventually('it is announced', () => activated().length === 1)
  expect(activated()[0]).toMatchObject({
    skill: 'ferry',
    turn_id,
    session_id,
    tool_name: null,
    reason: 'keywords ferry',
  })
  const context = await keel.client.turns.getTurnContext({ params: { id: turn_id } })
  const { content_hash } = await keel.client.skills.getSkill({ params: { id: 'ferry' } })
  expect(JSON.stringify(context)).toContain(content_hash)
})

test('without a sign of it the skill is named and no more, and what is disabled is not even named', async () => {
  await install()
  await ask('What is Rust?')
  expect(shown()).toContain('- ferry: What ferry does.')
  expect(shown()).not.toContain('Ask which harbour.')
  await keel.client.skills.toggleSkill({ params: { id: 'ferry' }, body: { enabled: false } })
  await ask('When does the ferry leave?')
  expect(shown()).not.toContain('ferry does')
  expect(activated()).toEqual([])
})

test('a skill for which the machine lacks something is not offered', async () => {
  await install({}, 'metadata: {openclaw: {requires: {bins: [no-such-program-here]}}}\n')
  await ask('When does the ferry leave?')
  expect(shown()).not.toContain('ferry does')
  expect(await keel.client.skills.getSkill({ params: { id: 'ferry' } })).toMatchObject({
    unmet_requirements: ['the program no-such-program-here is not on the path'],
  })
})

test('its instructions and references come when the model asks for them', async () => {
  await install({ 'ferry/references/prices.md': 'North: 7 crowns.' })
  const load = (input: object): UpstreamReply => ({
    toolCalls: [{ name: 'load_skill', arguments: JSON.stringify(input) }],
  })
  await ask('What is Rust?', [
    load({ name: 'ferry' }),
    load({ name: 'ferry', file: 'references/prices.md' }),
    load({ name: 'ferry', file: '../../keel.toml' }),
  ])
  expect(shown(1)).toContain('Ask which harbour.')
  expect(shown(1)).toContain('Files of this skill: references/prices.md, scripts/times.sh')
  expect(shown(2)).toContain('North: 7 crowns.')
  expect(shown(3)).toContain('ferry has no file ../../keel.toml')
  writeFiles(dir, { 'ferry/references/prices.md': 'North: 1 crown.' })
  await ask('What is Rust?', [load({ name: 'ferry', file: 'references/prices.md' })])
  expect(shown(1)).toContain('has changed since the skill ferry was loaded')
})

test('its script runs once it is trusted, is announced, and in the audit under its digest', async () => {
  await install()
  const { hash } = await trust()
  const { turn_id } = await ask('When does the ferry leave?', [runs(times)])
  expect(shown()).toContain('ferries: north today')
  await eventually('both are announced', () => activated().length === 2)
  expect(activated()[1]).toMatchObject({ skill: 'ferry', tool_name: 'run_script', turn_id, reason: 'script' })
  const { tool_calls } = await keel.client.audit.listToolAudit({ params: { turn_id } })
  expect(tool_calls).toMatchObject([
    { tool_name: 'run_script', skill_name: 'ferry', skill_hash: hash, status: 'success' },
  ])
})

test('a script that nobody has trusted waits for a person, who sees exactly what would run', async () => {
  await install()
  const answering = ask('When does the ferry leave?', [runs(times)])
  await eventually(
    'it waits',
    async () => (await keel.client.approvals.listApprovals({ query: {} })).pending.length === 1,
  )
  const [pending] = (await keel.client.approvals.listApprovals({ query: {} })).pending
  expect(pending).toMatchObject({
    tool_name: 'run_script',
    tool_input: JSON.stringify(times),
    policy_rule: 'tool_policy',
    policy_reason: expect.stringContaining('are not trusted as they are'),
  })
  await keel.client.approvals.approveRequest({ params: { id: pending?.id ?? '' }, body: {} })
  const { turn_id } = await answering
  await eventually('the turn has gone on', () => shown().includes('ferries: north today'))
  expect(turn_id).toBeTruthy()
})

test('what was approved is not what another content may run', async () => {
  await install()
  const answering = ask('When does the ferry leave?', [runs(times)])
  const pending = async () => (await keel.client.approvals.listApprovals({ query: {} })).pending
  await eventually('it waits', async () => (await pending()).length === 1)
  await install({ 'ferry/scripts/times.sh': '#!/bin/sh\necho swapped\n' })
  await keel.client.approvals.approveRequest({ params: { id: (await pending())[0]?.id ?? '' }, body: {} })
  await answering
  await eventually('the model is told', () => shown().includes('has changed since it was approved'))
  expect(shown()).not.toContain('swapped')
})

test('a skill swapped after it was trusted asks again; swapped under the loaded one it is refused', async () => {
  await install()
  await trust()
  writeFiles(dir, { 'ferry/scripts/times.sh': '#!/bin/sh\necho swapped\n' })
  await ask('When does the ferry leave?', [runs(times)])
  expect(shown()).toContain('SCRIPT_PATH_INVALID: the skill ferry has changed since it was loaded')
  await keel.client.skills.reloadSkills()
  const answering = ask('When does the ferry leave?', [runs(times)])
  const pending = async () => (await keel.client.approvals.listApprovals({ query: {} })).pending
  await eventually('it waits', async () => (await pending()).length === 1)
  await keel.client.approvals.denyRequest({ params: { id: (await pending())[0]?.id ?? '' }, body: {} })
  await answering
  await eventually('the model is told', () => shown().includes('Denied by the operator'))
  await trust()
  await ask('When does the ferry leave?', [runs(times)])
  expect(shown()).toContain('swapped')
})

test.each([
  ['a disabled skill', '', 'disabled', "the skill 'ferry' is disabled"],
  [
    'a skill that is off by its own word',
    'policy_overrides: {disabled: true}\n',
    '',
    "Policy override denied: skill 'ferry' is disabled",
  ],
  ['a forbidden one', 'risk_level: Forbidden\n', '', 'is forbidden'],
])('%s runs for nobody, Creator included', async (_, more, state, told) => {
  await install({}, more)
  await trust()
  await keel.client.skills.toggleSkill({ params: { id: 'ferry' }, body: { enabled: state !== 'disabled' } })
  await ask('Run it.', [runs(times)])
  expect(shown()).toContain(told)
  const messages = upstream.requests.at(-1)?.body.messages as { role: string }[]
  // Memory may well tell of the runs before.
  expect(JSON.stringify(messages.filter(({ role }) => role === 'tool'))).not.toContain('ferries: north')
})

test.each([
  [{ path: '/etc/passwd' }, 'is no path from the skills folder on'],
  [{ path: '../keel.toml' }, 'is no path from the skills folder on'],
  [{ path: 'ferry/../../keel.toml' }, 'is no path from the skills folder on'],
  [{ path: 'nobody/run.sh' }, 'there is no skill named nobody'],
  [{ path: 'ferry/scripts/none.sh' }, 'the skill ferry has no file scripts/none.sh'],
])('%j is refused', async (input, told) => {
  await install()
  await ask('Run it.', [runs(input)])
  expect(shown()).toContain('SCRIPT_PATH_INVALID: ')
  expect(shown()).toContain(told)
})
