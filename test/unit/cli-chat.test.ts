import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { eventStream, type FakeCall, fakeKeel, keel } from '../support/cli-run.ts'
import { tempHome } from '../support/temp-home.ts'

const route = 'POST /api/agent/message/stream'

function answerEvents(chunks: string[], extra: unknown[] = []) {
  const content = chunks.join('')
  return [
    { type: 'stream_start', session_id: 's1', turn_id: 't1', model: 'a/b' },
    ...extra,
    ...chunks.map((delta) => ({ type: 'chunk', delta, model: 'a/b', finish_reason: null })),
    {
      type: 'stream_end',
      session_id: 's1',
      turn_id: 't1',
      user_message_id: 'u',
      assistant_message_id: 'a',
      nickname: null,
      model: 'a/b',
      tokens_in: 1,
      tokens_out: 2,
      cost: 0,
      cached: false,
      react_turns: 1,
      content,
      content_length: content.length,
      content_blocked: false,
    },
  ]
}

async function chatWith(events: unknown[], argv: string[] = ['chat'], stdin = 'hello\n') {
  const { url, calls } = await fakeKeel({ [route]: eventStream(events) })
  const home = tempHome()
  const run = await keel([...argv, '--home', home.root], { env: { KEEL_URL: url }, stdin })
  return { ...run, calls }
}

test('each line of a pipe is a message of one session, and /quit ends', async () => {
  const { code, stdout, calls } = await chatWith(
    answerEvents(['Hel', 'lo.']),
    ['chat'],
    'one\n\n  two  \n/new\nthree\n/quit\nnever\n',
  )
  expect(code).toBe(0)
  expect(calls.map(({ body }) => body)).toEqual([
    { content: 'one' },
    { content: 'two', session_id: 's1' },
    { content: 'three' },
  ])
  expect(stdout).toBe('Hello.\nHello.\nA new session begins with the next message.\nHello.\n')
})

test('words on the command line are the only message', async () => {
  const { stdout, calls } = await chatWith(answerEvents(['Yes.\n']), ['chat', '-s', 'mine', 'are', 'you', 'there?'])
  expect(calls.map(({ body }) => body)).toEqual([{ content: 'are you there?', session_id: 'mine' }])
  expect(stdout).toBe('Yes.\n')
})

test('tools, replaced answers and approvals are told; what the model sends can not steer the terminal', async () => {
  const { stdout, stderr } = await chatWith(
    answerEvents(
      ['done\u001b[2J\u001b]0;owned\u0007'],
      [
        { type: 'tool_call', id: 'c', tool_name: 'read_file\u001b[1A', input: {} },
        {
          type: 'tool_result',
          id: 'c',
          tool_name: 'read_file',
          status: 'success',
          duration_ms: 12.4,
          output_preview: '',
        },
        {
          type: 'approval_required',
          request_id: 'r1',
          tool: 'run_command',
          tool_name: 'run_command',
          input: { command: 'ls\n\u001b[8m\u009b\u202e' },
        },
        { type: 'content_replaced', content: 'Instead. ' },
      ],
    ),
  )
  expect(stdout).toBe(
    '→ read_file\n← read_file: success, 12 ms\nrun_command needs your approval: {"command":"ls\\n\\u001b[8m\\u009b\\u202e"}\n(the answer so far is replaced)\nInstead. done\n',
  )
  expect(stderr).toBe('Decide with: keel approvals approve r1 (or deny)\n')
})

test('an answer that came whole is shown whole', async () => {
  const [start, , end] = answerEvents(['All at once.'])
  expect((await chatWith([start, end])).stdout).toBe('All at once.\n')
})

test('--json prints the events', async () => {
  const { stdout } = await chatWith(answerEvents(['Hi']), ['chat', '--json'])
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).type),
  ).toEqual(['stream_start', 'chunk', 'stream_end'])
})

test('an error, a refusal and a stream that breaks off make the exit code 1', async () => {
  const failed = await chatWith([
    { type: 'stream_start', session_id: 's', turn_id: 't', model: 'm' },
    { type: 'error', error: 'no model answers' },
  ])
  expect([failed.code, failed.stderr]).toEqual([1, 'no model answers\n'])

  const { url } = await fakeKeel({
    [route]: (_: FakeCall, response: ServerResponse) =>
      response.writeHead(429, { 'content-type': 'application/json' }).end('{"error":"too many"}'),
  })
  const refused = await keel(['chat', 'x'], { env: { KEEL_URL: url, KEEL_HOME: tempHome().root } })
  expect([refused.code, refused.stderr]).toEqual([1, 'too many\n'])

  const noOne = await keel(['chat', 'x'], { env: { KEEL_URL: 'http://127.0.0.1:1', KEEL_HOME: tempHome().root } })
  expect([noOne.code, noOne.stderr]).toEqual([1, 'Keel does not answer. Is it running? Start it with: keel start\n'])
})
