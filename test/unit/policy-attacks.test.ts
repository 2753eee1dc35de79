import { describe, expect, test } from 'vitest'
import { authorityOrder } from '#kernel/policy/authority.ts'
import { judgeToolCall, openJudge, type PolicyContext } from '#kernel/policy/judge.ts'
import type { PolicySettings, ToolUse } from '#kernel/policy/rules.ts'
import { openUseCounter } from '#kernel/policy/use-counter.ts'

const settings: PolicySettings = {
  per_payment_cap: 100,
  workspace_only: false,
  workspace: '/home/anna/.keel/workspace',
  allowed_paths: [],
  protected_patterns: ['.ssh/', '/etc/passwd', '.aws/credentials', '.env'],
  home: '/home/anna/.keel',
  usesInLastMinute: () => 1,
}

function judged(use: Partial<ToolUse>, policy: Partial<PolicySettings> = {}, approvals = {}) {
  const context: PolicyContext = {
    policy: { ...settings, ...policy },
    approvals: { enabled: false, gated_tools: [], blocked_tools: [], gate_risk: 'Dangerous', ...approvals },
  }
  const tool = { name: 'write_file', risk: 'Caution' as const, paths: ['path'] }
  return judgeToolCall({ tool, input: {}, authority: 'Creator', ...use }, context)
}

const atPath = (path: unknown, policy: Partial<PolicySettings> = {}) => judged({ input: { path } }, policy)

const pay = (input: Record<string, unknown>, name = 'send_payment') =>
  judged({ tool: { name, risk: 'Caution', paths: [] }, input })

describe('a protected name is found however it is written', () => {
  test.each([
    '/etc/passwd',
    '/etc//passwd',
    '/etc/./passwd',
    '/ETC/Passwd',
    '.ssh',
    '.ssh/',
    './.ssh',
    '.ssh/./id',
    'a\\.ssh\\id',
    '.aws//credentials',
    '.\u200Bssh/id',
    '.\uFF53sh/id',
    'config/.ENV.local',
  ])('%j', (path) => {
    expect(atPath(path)).toMatchObject({ decision: 'deny', rule: 'path_protection' })
  })

  test('also in a list of paths', () => {
    expect(atPath(['notes.txt', '/etc/passwd'])).toMatchObject({ decision: 'deny', rule: 'path_protection' })
    expect(atPath(['notes.txt', 'b.txt'])).toMatchObject({ decision: 'allow' })
  })

  test.each([[5], [{ path: '/etc/passwd' }], [[['/etc/passwd']]], [true]])('%j is no path at all', (path) => {
    expect(atPath(path)).toMatchObject({ decision: 'deny', reason: "'path' must be a path or a list of paths" })
  })

  test('an empty pattern protects nothing, and takes nothing from the others', () => {
    const protected_patterns = ['', '.ssh/']
    expect(atPath('.ssh/id', { protected_patterns })).toMatchObject({ decision: 'deny' })
    expect(atPath('notes.txt', { protected_patterns })).toMatchObject({ decision: 'allow' })
  })

  test('a parameter that is left out is no path', () => {
    expect(atPath(undefined)).toMatchObject({ decision: 'allow' })
    expect(atPath(null)).toMatchObject({ decision: 'allow' })
  })

  test('a reason repeats no more than the beginning of a path', () => {
    expect(atPath(`${'a'.repeat(4_000)}/.ssh/id`).reason?.length).toBeLessThan(300)
  })
})

describe('the workspace', () => {
  const confined = { workspace_only: true, allowed_paths: ['/srv/shared', 'relative', ''] }

  test.each(['notes.txt', '/home/anna/.keel/workspace/notes.txt', '/srv/shared', '/srv/shared/..a', '/srv//shared/a'])(
    '%s is open',
    (path) => {
      expect(atPath(path, confined)).toMatchObject({ decision: 'allow' })
    },
  )

  test.each(['/', '/srv', '/srv/sharedness/a', '/var/log/syslog', '\\var\\log', '/home/anna/.keel/workspaces/a'])(
    '%s is outside',
    (path) => {
      expect(atPath(path, confined)).toMatchObject({ decision: 'deny', rule: 'path_protection' })
    },
  )

  test.each(['..', '../a', 'a/../../b', 'a\\..\\b', '/srv/shared/../x'])('%s leads upwards', (path) => {
    expect(atPath(path, confined).reason).toContain('leads upwards')
  })
})

describe("Keel's own home", () => {
  test.each([
    '/home/anna/.keel',
    '/home/anna/.keel/',
    '/home/anna/.keel/keel.toml',
    '/home/anna/./.keel/keel.db',
    '/home//anna/.keel/overrides.toml',
    '/HOME/Anna/.KEEL/secret.key',
    '/home/anna/.keel/plugins/x/main.ts',
  ])('%s is closed to everyone', (path) => {
    for (const authority of ['SelfGenerated', 'Creator'] as const) {
      expect(judged({ authority, input: { path } })).toMatchObject({ decision: 'deny', rule: 'config_protection' })
    }
  })

  test.each([['/home/anna'], ['/'], ['/home/anna/.keel']])('an allowed folder %s does not open it', (folder) => {
    const open = { allowed_paths: [folder] }
    expect(atPath('/home/anna/.keel/keel.toml', open)).toMatchObject({ decision: 'deny', rule: 'config_protection' })
    expect(atPath('/home/anna/.keeler/x', open)).toMatchObject({ decision: 'allow' })
  })

  test('a relative path into it is found where the workspace lies around it', () => {
    const around = { workspace: '/home/anna' }
    expect(atPath('.keel/keel.toml', around)).toMatchObject({ decision: 'deny', rule: 'config_protection' })
    expect(atPath('notes/keel.txt', around)).toMatchObject({ decision: 'allow' })
  })

  test('the workspace and an allowed folder inside it are open', () => {
    expect(atPath('notes.txt')).toMatchObject({ decision: 'allow' })
    expect(atPath('/home/anna/.keel/drafts/a', { allowed_paths: ['/home/anna/.keel/drafts'] })).toMatchObject({
      decision: 'allow',
    })
  })
})

describe('a payment', () => {
  test.each<[string, Record<string, unknown>]>([
    ['beyond all numbers', JSON.parse('{"amount":1e999}')],
    ['with separators', { amount: '1,000,000' }],
    ['with a currency', { amount: '$500' }],
    ['in words', { dollars: 'all of it' }],
    ['in an object', { amount: { units: 500 } }],
    ['in a list', { amount: [500] }],
    ['below zero', { amount: -500 }],
    ['as text', { amount: '500' }],
    ['in exponents', { amount: '5e2' }],
    ['in hexadecimal', { amount: '0xfff' }],
    ['in cents', { value_cents: 10_001 }],
    ['deeper down', { transaction: { parts: [{ amount: 500 }] } }],
    ['in capitals', { AMOUNT: 500 }],
    ['under another name beside a small one', { amount: 1, value: 500 }],
    ['of a value with separators', { value: '1,000' }],
    ['that drains', { drain: false }],
    ['that drains in capitals, deeper down', { options: { Drain: true } }],
    ['that moves the key', { set_wallet_path: '/tmp/x' }],
  ])('%s is denied to everyone', (_, input) => {
    expect(pay(input)).toMatchObject({ decision: 'deny', rule: 'financial' })
    expect(pay(input, 'Mcp__Bank__TRANSFER')).toMatchObject({ decision: 'deny', rule: 'financial' })
    expect(pay(input, 'echo')).toMatchObject({ decision: 'allow' })
  })

  test.each<[string, Record<string, unknown>]>([
    ['at the cap', { amount: 100 }],
    ['at the cap in cents', { amount_cents: 10_000 }],
    ['without an amount', { amount: null, to: 'Anna' }],
    ['with a value of another kind', { headers: [{ name: 'accept', value: 'text/html; q=0.9' }] }],
  ])('%s is allowed', (_, input) => {
    expect(pay(input)).toMatchObject({ decision: 'allow' })
  })

  test('an input as deep as JSON allows is read to its end', () => {
    const depth = 20_000
    const input = JSON.parse(`${'{"a":'.repeat(depth)}{"drain":1}${'}'.repeat(depth)}`)
    expect(pay(input)).toMatchObject({ decision: 'deny', rule: 'financial' })
  })
})

describe('validation', () => {
  test.each(['a$(id).txt', 'a`id`', '$'.concat('{HOME}/a'), 'a; rm b', 'a;curl x'])('a path %j is denied', (path) => {
    expect(atPath(path)).toMatchObject({ decision: 'deny', rule: 'validation' })
  })

  test('the content of a file may hold any syntax', () => {
    const content = 'echo `date`; rm $(x) /etc/passwd ../..'
    expect(judged({ input: { path: 'a.ts', content } })).toMatchObject({ decision: 'allow' })
  })

  test('an input of 100 KiB is the largest', () => {
    const room = 100 * 1024 - Buffer.byteLength(JSON.stringify({ content: '' }))
    expect(judged({ input: { content: 'x'.repeat(room) } })).toMatchObject({ decision: 'allow' })
    expect(judged({ input: { content: 'x'.repeat(room + 1) } })).toMatchObject({ rule: 'validation' })
    expect(judged({ input: { content: 'é'.repeat(room / 2 + 1) } })).toMatchObject({ rule: 'validation' })
  })
})

describe('approvals', () => {
  const named = (name: string, approvals: object, risk: ToolUse['tool']['risk'] = 'Caution') =>
    judged({ tool: { name, risk, paths: [] } }, {}, approvals)

  test('patterns name families of tools, and nothing beyond them', () => {
    const approvals = { enabled: true, gated_tools: ['mcp__*__delete_*', 'write_file', 'write_n*'] }
    expect(named('mcp__disk__delete_all', approvals).decision).toBe('gate')
    expect(named('write_note', approvals).decision).toBe('gate')
    expect(named('write_table', approvals).decision).toBe('allow')
    expect(named('WRITE_FILE', approvals).decision).toBe('allow')
  })

  test('a name with the signs of a pattern in it is still that name', () => {
    expect(named('odd[name]', { blocked_tools: ['odd[name]'] }).decision).toBe('deny')
  })

  test('a risk is gated from its level on, once approvals are enabled', () => {
    expect(named('bash', { enabled: true }, 'Dangerous').decision).toBe('gate')
    expect(named('bash', { enabled: true }, 'Caution').decision).toBe('allow')
    expect(named('bash', { enabled: true, gate_risk: 'Forbidden' }, 'Dangerous').decision).toBe('allow')
    expect(named('bash', { enabled: false }, 'Dangerous').decision).toBe('allow')
  })

  test('what is blocked is never gated, and what a rule denies is never offered for approval', () => {
    const both = { enabled: true, gated_tools: ['*'], blocked_tools: ['*'] }
    expect(named('bash', both)).toMatchObject({ decision: 'deny', rule: 'blocked_tools' })
    expect(named('bash', { enabled: true, gated_tools: ['*'] }, 'Forbidden')).toMatchObject({ rule: 'command_safety' })
  })
})

test('for every authority and risk: allowed as the table says, gated at most, and forbidden to all', () => {
  const risks = ['Safe', 'Caution', 'Dangerous', 'Forbidden'] as const
  for (const [rank, authority] of authorityOrder.entries()) {
    for (const [level, risk] of risks.entries()) {
      const tool = { name: 'echo', risk, paths: [] }
      const expected = risk !== 'Forbidden' && level <= rank ? 'allow' : 'deny'
      const judgement = judged({ tool, authority })
      expect(judgement.decision, `${authority} and ${risk}`).toBe(expected)
      expect(judgement.context).toEqual({ authority, risk })
      if (expected === 'deny' && authority !== 'Creator') {
        expect(judgement).toMatchObject({
          rule: 'authority',
          reason: `${authority} authority cannot use ${risk}-level tool 'echo'`,
        })
      }
      const gated = judged({ tool, authority }, {}, { enabled: true, gated_tools: ['*'] })
      expect(gated.decision).toBe(expected === 'allow' ? 'gate' : 'deny')
    }
  }
})

test('what is judged by settings that have changed is judged by the new ones', () => {
  let blocked_tools: string[] = []
  const approvals = () => ({ enabled: false, gated_tools: [], blocked_tools, gate_risk: 'Dangerous' as const })
  const judge = openJudge(() => ({ policy: settings, approvals: approvals() }))
  const use: ToolUse = { tool: { name: 'echo', risk: 'Safe', paths: [] }, input: {}, authority: 'External' }
  expect(judge(use).decision).toBe('allow')
  blocked_tools = ['echo']
  expect(judge(use).decision).toBe('deny')
})

test('a counter keeps each tool apart, forgets what is older than a minute, and stays small', () => {
  let now = 0
  const { count, recent } = openUseCounter(() => now)
  for (const tool of ['a', 'a', 'b']) count(tool)
  expect([recent('a'), recent('b'), recent('c')]).toEqual([2, 1, 0])
  for (let i = 0; i < 100; i++) count('a')
  expect(recent('a')).toBe(30)
  now = 59_999
  expect(recent('a')).toBe(30)
  now = 120_000
  expect(recent('a')).toBe(0)
  count('a')
  for (let i = 0; i < 1_000; i++) count(`tool ${i}`)
  expect(recent('a')).toBe(0)
})
