import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { sideBySide, wrapped } from '#kernel/cli/columns.ts'
import { type CliRun, eventStream, fakeKeel, keel } from '../support/cli-run.ts'

const at = '2025-01-31T09:15:02.123Z'

const turn = {
  id: 't1',
  session_id: 's1',
  thinking: null,
  tokens_in: 1_200,
  tokens_out: 34,
  cost: 0.0042,
  model: 'mock/one',
  created_at: at,
  status: 'ok',
  latency_ms: 2_345,
  user_message_id: 'm1',
  assistant_message_id: 'm2',
  cached: false,
  react_turns: 1,
}

const nowhere = { id: null, name: null, origin: null }
const block = (kind: string, tokens: number, fields: Record<string, unknown> = {}) => {
  return { kind, source: nowhere, tokens, score: null, reason: null, preview: '', ...fields }
}
const tool = (name: string, tokens: number) => block('tool', tokens, { source: { ...nowhere, name } })
const left = (kind: string, name: string, reason: string) => {
  return { kind, source: { ...nowhere, name }, tokens: null, score: null, reason }
}
const messages = Array.from({ length: 9 }, (_, i) =>
  block('history', 10, { source: { id: `h${i}`, name: 'user', origin: null }, preview: `said ${i}` }),
)

const context = {
  turn_id: 't1',
  model: 'mock/one',
  token_budget: 4_000,
  system_prompt_tokens: 400,
  memory_tokens: 50,
  history_tokens: 90,
  history_depth: 9,
  complexity_level: 'L1',
  tokens_in: 1_200,
  tokens_out: 34,
  cost: 0.0042,
  tool_call_count: 1,
  tool_failure_count: 0,
  system_tokens: 400,
  total_tokens: 1_000,
  max_tokens: 4_000,
  snapshot: true,
  tool_definition_tokens: 460,
  dropped_history: 0,
  compaction_stage: null,
  memory_tiers: { working: 0, episodic: 0, semantic: 40, procedural: 0, relationship: 0 },
  skills: [],
  retrieved_memories: [],
  memory_left_out: [],
  memory_unavailable: null,
  question: 'What do I drink?',
  answer: 'Tea,\u001b[2J I think.',
  question_tokens: 8,
  blocks: [
    block('system_prompt', 400, { preview: 'You are Keel' }),
    ...[10, 300, 50, 100].map((size, i) => tool(`tool_${i}`, size)),
    ...messages,
    block('memory', 40, {
      source: { id: 'x', name: 'semantic', origin: 'user' },
      score: 0.91,
      preview: 'drinks oolong',
    }),
    block('question', 8, { preview: 'What do I drink?' }),
  ],
  left_out: [
    left('tool', 'run_script', 'authority'),
    left('skill', 'tea', 'not_called_for'),
    left('skill', 'coffee', 'not_called_for'),
  ],
  estimated_tokens_in: 998,
  billed_tokens_in: 1_100,
  estimate_error: 998 / 1_100 - 1,
  model_calls: [
    {
      seq: 1,
      model: 'mock/one',
      selected_model: 'mock/zero',
      tokens_in: 1_100,
      tokens_out: 20,
      estimated: false,
      cost: 0.004,
      latency_ms: 1_900,
      cached: false,
      cache_level: null,
      finish_reason: 'tool_calls',
      tools: ['recall'],
      failures: [{ model: 'mock/zero', category: 'timeout' }],
    },
  ],
}

const selection = {
  event_id: 'e1',
  turn_id: 't1',
  session_id: 's1',
  agent_id: 'keel',
  channel: 'web',
  selected_model: 'mock/zero',
  strategy: 'primary_usable',
  primary_model: 'mock/zero',
  override_model: null,
  complexity: '0.31',
  complexity_score: 0.31,
  user_excerpt: 'What do I drink?',
  candidates: [
    {
      model: 'mock/zero',
      source: 'primary_ordered',
      provider_available: true,
      breaker_blocked: false,
      usable: true,
      note: 'usable',
    },
  ],
  metascore_breakdown: null,
  grade: null,
  executed_model: 'mock/one',
  fallback: true,
  created_at: at,
  events: [],
}

const call = {
  id: 'c1',
  tool_name: 'recall',
  plugin: null,
  skill_id: null,
  skill_name: null,
  skill_hash: null,
  approval_id: null,
  status: 'success',
  duration_ms: 12,
  created_at: at,
  input: '{"about":"drinks"}',
  output: 'oolong',
  error: null,
}

const tip = {
  severity: 'warning',
  category: 'cost',
  rule_name: 'costly',
  message: 'This was dear.',
  suggestion: 'Ask less.',
}
const feedback = {
  id: 'f1',
  turn_id: 't1',
  session_id: 's1',
  grade: 4,
  source: 'dashboard',
  comment: 'nice',
  created_at: at,
}

const routes = {
  'GET /api/turns/t1': turn,
  'GET /api/turns/t1/context': context,
  'GET /api/turns/t1/model-selection': selection,
  'GET /api/turns/t1/tools': { tool_calls: [call] },
  'GET /api/turns/t1/tips': { turn_id: 't1', tips: [tip], tip_count: 1 },
  'GET /api/turns/t1/feedback': feedback,
}

async function scene(served: Record<string, unknown>) {
  const { url, calls } = await fakeKeel(served)
  const run = (words: string[], env: NodeJS.ProcessEnv = {}): Promise<CliRun> =>
    keel(['--url', url, '--api-key', 'k', 'turn', ...words], { env })
  return { run, calls }
}

test('show tells what was asked, what the model saw, what was left out, each call, and what it cost', async () => {
  const { run } = await scene(routes)
  const { stdout, code, stderr } = await run(['show', 't1'])
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(stdout).toMatch(/^t1 {2}ok {2}mock\/one {2}\S+ \S+ {2}2\.3 s {2}\$0\.004200 {2}1,200 tokens in, 34 out\n/)
  expect(stdout).toContain('Question\n  What do I drink?\n\nAnswer\n  Tea, I think.\n')
  expect(stdout).toContain('mock/zero by primary_usable, and mock/one answered in its place; complexity 0.31')
  expect(stdout).toContain('998 of 4,000 tokens (L1); the provider counted 1,100, the estimate is 9 % below that')
  expect(stdout).toMatch(/^tools +4 tools +460 +– +most for tool_1 300, tool_3 100, tool_2 50$/m)
  expect(stdout).toMatch(/^history +3 messages +30/m)
  expect(stdout).toMatch(/^history +user +10 +– +said 8$/m)
  expect(stdout).not.toContain('said 2')
  expect(stdout).toMatch(/^memory +semantic \(user\) +40 +0\.91 +drinks oolong$/m)
  expect(stdout).toMatch(/^tool +run_script +– +– +authority$/m)
  expect(stdout).toMatch(/^skills +2 skills +– +– +not_called_for$/m)
  expect(stdout).toMatch(
    /^1 +mock\/one +1,100 +20 +\$0\.004000 +1\.9 s +no +asks for recall; mock\/zero failed: timeout$/m,
  )
  expect(stdout).toMatch(/^recall +success +12 ms +\{"about":"drinks"\} +oolong$/m)
  expect(stdout).toContain('  warning: This was dear. Ask less.\n')
  expect(stdout).toContain('  4 of 5: nice\n')
  const all = await run(['show', 't1', '--all'])
  expect(all.stdout).toMatch(/^tool +tool_0 +10/m)
  expect(all.stdout).toContain('said 2')
  expect(all.stdout).toMatch(/^skill +coffee/m)
})

test('show leaves out what there is not, and fails where the turn is unknown', async () => {
  const bare = {
    'GET /api/turns/t1': { ...turn, model: null, latency_ms: null },
    'GET /api/turns/t1/context': { ...context, blocks: [], left_out: [], model_calls: [], answer: null },
    'GET /api/turns/t1/tools': { tool_calls: [] },
  }
  const { run } = await scene(bare)
  const { stdout } = await run(['show', 't1'])
  expect(stdout).toContain('What the model saw is not on record.')
  expect(stdout).toContain('Answer\n  –\n')
  for (const title of ['Tips', 'Feedback', 'Left out', 'Model calls', 'Tool calls']) expect(stdout).not.toContain(title)
  const json = JSON.parse((await run(['show', 't1', '--json'])).stdout)
  expect(json).toMatchObject({ turn: { id: 't1' }, selection: null, tips: null, feedback: null, tool_calls: [] })
  expect(await run(['show', 'nobody'])).toMatchObject({ code: 1, stderr: 'not found\n' })
})

test('list shows the turns of a session, and of the one used last unless told', async () => {
  const { run, calls } = await scene({
    'GET /api/sessions': { sessions: [], total: 0, limit: 1, offset: 0 },
    'GET /api/sessions/s1/turns': { turns: [turn], total: 7 },
  })
  const { stdout, stderr } = await run(['list', 's1', '-n', '1'])
  expect(stdout).toMatch(/^t1 +\S+ \S+ +ok +mock\/one +1,234 +\$0\.004200 +2\.3 s +1$/m)
  expect(stderr).toBe('the newest 1 of 7\n')
  expect(calls[0]?.url).toBe('/api/sessions/s1/turns?limit=1')
  expect((await run(['list'])).stdout).toBe('There is no session yet.\n')
  expect(calls.at(-1)?.url).toBe('/api/sessions?limit=1&order=updated')
})

const side = { model: 'mock/one', status: 'ok', reason: null, tokens_in: 100, tokens_out: 20, steps: [] as unknown[] }
const step = (answered: string) => {
  return {
    kind: 'tool',
    seq: 2,
    tool_name: 'recall',
    input: '{}',
    status: 'success',
    output: '',
    duration_ms: 1,
    answered,
  }
}
const report = {
  replay_id: 'replay-1',
  turn_id: 't1',
  created_at: at,
  changes: { model: 'mock/two' },
  notes: ['There is no tool gone any more; it is not offered.'],
  original: { ...side, content: 'It is tea.', cost: 0.5, latency_ms: 900, steps: [step('ran')] },
  replay: {
    ...side,
    model: 'mock/two',
    content: 'It is\u001b[2J coffee.',
    cost: 0.01,
    latency_ms: 1_500,
    steps: [step('recorded'), step('simulated')],
  },
  diff: [
    { kind: 'same', text: 'It is ' },
    { kind: 'removed', text: 'tea' },
    { kind: 'added', text: 'coffee' },
    { kind: 'same', text: '.' },
  ],
}
const events = [
  { type: 'replay_start', replay_id: 'replay-1', turn_id: 't1', model: 'mock/two' },
  { type: 'chunk', delta: 'It is' },
  { type: 'step', step: step('recorded') },
  { type: 'replay_end', report },
]

test('replay shows both answers, beside each other where there is room, with what they took', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keel-cli-turn-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'prompt.txt'), 'You are a pirate.')
  const { run, calls } = await scene({ 'POST /api/turns/t1/replay': eventStream(events) })
  const options = ['--model', 'mock/two', '--prompt-file', join(folder, 'prompt.txt'), '--append', 'Be brief.']
  const more = ['--question', 'And I?', '--temperature', '0.3', '--max-tokens', '50', '--max-steps', '0']
  const wide = await run(['replay', 't1', ...options, ...more], { COLUMNS: '100' })
  expect(calls[0]?.body).toEqual({
    model: 'mock/two',
    system_prompt: 'You are a pirate.',
    append_prompt: 'Be brief.',
    question: 'And I?',
    temperature: 0.3,
    max_tokens: 50,
    max_steps: 0,
  })
  expect(wide.stderr).toBe('mock/two is asked …\n  tool recall: recorded, success\nkept as replay-1\n')
  expect(wide.stdout).toContain('There is no tool gone any more')
  expect(wide.stdout).toMatch(/^cost +\$0\.5000 +\$0\.0100$/m)
  expect(wide.stdout).toMatch(/^took +900 ms +1\.5 s$/m)
  expect(wide.stdout).toMatch(/^tool calls +recall +recall \(recorded\), recall \(simulated\)$/m)
  expect(wide.stdout).toMatch(/^It is tea\. +│ It is coffee\.$/m)
  expect(wide.stdout).toContain('\nDifference\nIt is [-tea-]{+coffee+}.\n')
  const narrow = await run(['replay', 't1'], { COLUMNS: '99' })
  expect(calls[1]?.body).toEqual({})
  expect(narrow.stdout).toContain('Original\nIt is tea.\nReplay\nIt is coffee.\n')
})

test('replay says what it can not do, and gives programs the report', async () => {
  const { run, calls } = await scene({ 'POST /api/turns/t1/replay': report })
  expect(JSON.parse((await run(['replay', 't1', '--json'])).stdout)).toEqual(report)
  const asked = calls.length
  expect(await run(['replay', 't1', '--prompt-file', '/nowhere/prompt'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^--prompt-file: ENOENT/),
  })
  expect((await run(['replay', 't1', '--max-tokens', 'many'])).stderr).toContain('Expected a whole number.')
  expect((await run(['replay', 't1', '--temperature', 'hot'])).stderr).toContain('Expected a number.')
  expect(calls).toHaveLength(asked)
})

test('replays shows what is kept', async () => {
  const { original: _original, diff: _diff, ...record } = report
  const { run } = await scene({
    'GET /api/turns/t1/replays': { replays: [record] },
    'GET /api/turns/t2/replays': { replays: [] },
  })
  const { stdout } = await run(['replays', 't1'])
  expect(stdout).toMatch(/^replay-1 +\S+ \S+ +ok +mock\/two +120 +\$0\.0100 +1\.5 s +model +It is coffee\.$/m)
  expect((await run(['replays', 't2'])).stdout).toBe('This turn was not replayed.\n')
})

test('texts are broken between words, wide characters counted as terminals show them', () => {
  expect(wrapped('one two three', 7)).toEqual(['one two', 'three'])
  expect(wrapped('first\n\nabcdefghij', 4)).toEqual(['firs', 't', '', 'abcd', 'efgh', 'ij'])
  expect(wrapped('日本語です', 4)).toEqual(['日本', '語で', 'す'])
  expect(sideBySide('a b', '', 9)).toEqual(['a b │'])
  expect(sideBySide('日本語', 'x\ny', 11)).toEqual(['日本 │ x', '語   │ y'])
})
