import { expect, test } from 'vitest'
import { savePeer } from '#kernel/store/channel-peers.ts'
import type { TurnEnd } from '#sdk/services/agent.ts'
import { type ChannelScene, channelScene, inbound, press } from '../support/channel-scene.ts'
import { eventually } from '../support/daemon.ts'

const boss = { chat_id: '777', sender_id: '777' }

/** A turn of somebody's that waits for a person, and the request that it waits for. */
async function waiting(from: Partial<ReturnType<typeof inbound>>, opened?: ChannelScene) {
  const answer = Promise.withResolvers<TurnEnd>()
  const scene = opened ?? (await channelScene({ run: () => answer.promise }))
  await scene.accept([inbound(from)])
  await eventually('its turn is under way', () => scene.inbox().some(({ state }) => state === 'working'))
  const row = scene.inbox().find(({ state }) => state === 'working')
  const { id } = scene.approvals.request(
    {
      tool_name: 'write_file',
      tool_version: '1',
      tool_input: '{"path":"a.txt","content":"```\\nrm\\n```"}',
      subject: 'subject',
      turn_id: row?.turn_id ?? null,
      seq: 1,
      session_id: row?.session_id ?? null,
      agent_id: 'keel',
      channel: 'telegram',
      requested_authority: 'Peer',
      risk_level: 'Caution',
      policy_rule: 'approval',
      policy_reason: 'it writes',
    },
    () => {},
  )
  const end = () => answer.resolve({ status: 'ok', content: 'Done.', reason: null, react_turns: 0 })
  const notices = () => scene.outbox().filter(({ idempotency_key }) => idempotency_key.startsWith('approval:'))
  return { scene, id, end, notices }
}

test('a Creator is asked where they have written, and shown all of what is asked', async () => {
  const { scene, id, notices, end } = await waiting(boss)
  await eventually('it is asked', () => scene.service.sent.length === 1)
  const [asked] = scene.service.sent
  expect(asked).toMatchObject({
    chat_id: '777',
    buttons: [
      { label: 'Approve', value: `approve:${id}` },
      { label: 'Deny', value: `deny:${id}` },
    ],
  })
  expect(asked?.text).toContain('**write_file** waits for your approval: it writes.')
  // The fence is longer than what stands within it.
  expect(asked?.text).toContain('````json\n{\n  "path": "a.txt",\n  "content": "```\\nrm\\n```"\n}\n````')
  expect(asked?.text).toContain(`/approve ${id}`)
  scene.channels.tidy()
  expect(notices()).toHaveLength(1)
  end()
  await scene.settled()
})

test('for anybody else those who may decide are asked, in the chats in which they are alone with Keel', async () => {
  const scene = await channelScene({ opens: false })
  savePeer(scene.store.durable, {
    channel: 'telegram',
    sender_id: '5',
    sender_name: null,
    chat_id: '55',
    authority: 'Creator',
  })
  savePeer(scene.store.durable, {
    channel: 'telegram',
    sender_id: '6',
    sender_name: null,
    chat_id: '66',
    authority: 'Peer',
  })
  await scene.channels.start({ announces: false })
  await scene.accept([inbound({ ...boss, text: 'good morning' })])
  await scene.settled()
  await scene.end()
  const answer = Promise.withResolvers<TurnEnd>()
  const next = await channelScene({ home: scene.home, run: () => answer.promise })
  const { notices } = await waiting({}, next)
  expect(
    notices()
      .map(({ chat_id }) => chat_id)
      .toSorted(),
  ).toEqual(['55', '777'])
  answer.resolve({ status: 'ok', content: 'Done.', reason: null, react_turns: 0 })
  await next.settled()
})

test('a Creator decides by a button, once', async () => {
  const { scene, id, end } = await waiting({})
  await scene.accept([press(`approve:${id}`)])
  await eventually('it is answered', () => scene.service.pressAnswers.length === 1)
  expect(scene.service.pressAnswers).toEqual(['Approved: write_file.'])
  expect(scene.eventsOf('approval_decided')).toMatchObject([
    { request_id: id, status: 'Approved', decided_by: 'telegram:777' },
  ])
  await scene.accept([press(`deny:${id}`)])
  await eventually('it is answered again', () => scene.service.pressAnswers.length === 2)
  expect(scene.service.pressAnswers[1]).toContain('is already Approved')
  end()
  await scene.settled()
})

test.each([
  ['somebody allowed', { chat_id: '42', sender_id: '42' }, ['To decide requires Creator authority.'], 'not allowed'],
  ['a stranger', { chat_id: '9', sender_id: '9' }, [], 'stranger'],
])('%s decides nothing by a button', async (_, from, answers, reason) => {
  const { scene, id, end } = await waiting(boss)
  await scene.accept([press(`approve:${id}`, from)])
  await eventually('it is done with', () => scene.inbox()[1]?.state === 'done')
  expect([scene.service.pressAnswers, scene.inbox()[1]?.reason]).toEqual([answers, reason])
  expect(scene.eventsOf('approval_decided')).toEqual([])
  end()
  await scene.settled()
})

test.each(['', 'approve:', 'approve:../../x', 'delete:0b5f7a52-1c1e-4b53-9d39-6f1d0f5a3c11', 'x'.repeat(256)])(
  'a button that is none of ours does nothing: %s',
  async (value) => {
    const scene = await channelScene()
    await scene.accept([press(value)])
    await scene.settled()
    expect([scene.inbox()[0]?.reason, scene.service.pressAnswers]).toEqual(['no button of ours', []])
  },
)
