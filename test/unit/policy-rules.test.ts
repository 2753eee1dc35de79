import { describe, expect, test } from 'vitest'
import { authorityOrder, type Grant, resolveAuthority, riskAllowed } from '#kernel/policy/authority.ts'
import { type ApprovalSettings, openJudge } from '#kernel/policy/judge.ts'
import type { ToolUse } from '#kernel/policy/rules.ts'
import type { Authority } from '#sdk/services/agent.ts'
import type { RiskLevel } from '#sdk/services/tools.ts'

const risks: RiskLevel[] = ['Safe', 'Caution', 'Dangerous', 'Forbidden']

const policy = {
  per_payment_cap: 100,
  workspace_only: true,
  allowed_paths: ['/srv/shared'],
  protected_patterns: ['.env', '.ssh/', 'wallet.json', '/etc/passwd'],
  home: '/home/anna/.keel',
  workspace: '/home/anna/.keel/workspace',
}
const noApprovals: ApprovalSettings = { enabled: false, gated_tools: [], blocked_tools: [], gate_risk: 'Forbidden' }

function judgeWith(approvals: Partial<ApprovalSettings> = {}, now = () => 0) {
  return openJudge(() => ({ policy, approvals: { ...noApprovals, ...approvals } }), { now })
}

function use(given: Partial<ToolUse['tool']> & { input?: Record<string, unknown>; authority?: Authority }): ToolUse {
  const { input = {}, authority = 'Creator', ...tool } = given
  return { tool: { name: 'read_file', risk: 'Caution', paths: ['path'], ...tool }, input, authority }
}

describe('authority', () => {
  const levels: Record<Authority, RiskLevel[]> = {
    External: ['Safe'],
    Peer: ['Safe', 'Caution'],
    SelfGenerated: ['Safe', 'Caution', 'Dangerous'],
    Creator: ['Safe', 'Caution', 'Dangerous', 'Forbidden'],
  }
  for (const level of authorityOrder) {
    for (const risk of risks) {
      test(`${level} and ${risk}`, () => expect(riskAllowed(level, risk)).toBe(levels[level].includes(risk)))
    }
  }

  test('is the highest grant under the lowest ceiling, for every combination', () => {
    const place = (level: Authority) => authorityOrder.indexOf(level)
    const grantsOf = (level: Authority): Grant[] => [{ source: 'api', level }]
    for (const first of authorityOrder) {
      for (const second of authorityOrder) {
        const both = resolveAuthority({ grants: [...grantsOf(first), ...grantsOf(second)], ceilings: [] })
        expect(place(both.level)).toBe(Math.max(place(first), place(second)))
        const capped = resolveAuthority({ grants: grantsOf(first), ceilings: [second] })
        expect(place(capped.level)).toBe(Math.min(place(first), place(second)))
        expect(capped.threat_downgraded).toBe(place(second) < place(first))
        // A threat adds a ceiling: it can only lower.
        const flagged = resolveAuthority({ grants: grantsOf(first), ceilings: [second, 'External'] })
        expect(place(flagged.level)).toBeLessThanOrEqual(place(capped.level))
      }
    }
  })

  test('is External without a grant', () => {
    expect(resolveAuthority({ grants: [], ceilings: [] })).toMatchObject({
      level: 'External',
      sources: [],
      ceiling: null,
    })
  })
})

describe('rules', () => {
  test.each<[string, ToolUse, string]>([
    ['a risk above the authority', use({ authority: 'External' }), 'authority'],
    ['a forbidden tool, also for Creator', use({ risk: 'Forbidden' }), 'command_safety'],
    ['a payment over the cap', use({ name: 'send_payment', input: { amount: 100.01 } }), 'financial'],
    [
      'a payment over the cap, in cents',
      use({ name: 'wallet_transfer', input: { amount_cents: 10_001 } }),
      'financial',
    ],
    ['taking the key out', use({ name: 'wallet_tool', input: { export_private_key: true } }), 'financial'],
    ['a protected name', use({ input: { path: 'config/.ENV' } }), 'path_protection'],
    ['a protected name behind backslashes', use({ input: { path: 'a\\.ssh\\id' } }), 'path_protection'],
    ['a way upwards', use({ input: { path: 'a/../../b' } }), 'path_protection'],
    ['an absolute path elsewhere', use({ input: { path: '/var/log/syslog' } }), 'path_protection'],
    [
      'an input that is too large',
      use({ name: 'echo', paths: [], input: { message: 'x'.repeat(102_401) } }),
      'validation',
    ],
  ])('%s is denied', (_, given, rule) => {
    const judgement = judgeWith()(given)
    expect(judgement).toMatchObject({ decision: 'deny', rule })
    expect(judgement.reason).not.toBe('')
  })

  test.each<[string, ToolUse]>([
    ['a path inside the workspace', use({ input: { path: 'notes/a.txt' } })],
    ['an allowed folder outside', use({ input: { path: '/srv/shared/a.txt' } })],
    ['a payment at the cap', use({ name: 'send_payment', paths: [], input: { amount: 100 } })],
    [
      'a text that only looks like a path',
      use({ name: 'echo', paths: [], input: { message: '/etc/passwd is a file' } }),
    ],
    ['a dangerous tool for Creator', use({ risk: 'Dangerous' })],
  ])('%s is allowed', (_, given) => {
    expect(judgeWith()(given)).toMatchObject({ decision: 'allow' })
  })

  test("Keel's own home is closed, whoever asks, also where the workspace rule is off", () => {
    const open = { ...policy, workspace_only: false, protected_patterns: [] }
    const judge = openJudge(() => ({ policy: open, approvals: noApprovals }))
    for (const path of ['/home/anna/.keel', '/home/anna/.keel/keel.toml', '/home/anna/.keel/run/x']) {
      expect(judge(use({ input: { path } }))).toMatchObject({ decision: 'deny', rule: 'config_protection' })
    }
    expect(judge(use({ input: { path: '/home/anna/.keeler/x' } }))).toMatchObject({ decision: 'allow' })
  })

  test('a tool is used 30 times a minute at the most, except by Creator; the next minute is free again', () => {
    let now = 1_000_000
    const judge = judgeWith({}, () => now)
    const peer = use({ authority: 'Peer', input: { path: 'a' } })
    for (let i = 0; i < 30; i++) expect(judge(peer).decision).toBe('allow')
    expect(judge(peer)).toMatchObject({ decision: 'deny', rule: 'rate_limit' })
    for (let i = 0; i < 40; i++) expect(judge(use({ input: { path: 'a' } })).decision).toBe('allow')
    now += 61_000
    expect(judge(peer).decision).toBe('allow')
  })
})

describe('approvals', () => {
  test('a blocked tool is denied to everyone, also while approvals are disabled', () => {
    const judge = judgeWith({ blocked_tools: ['write_*'] })
    expect(judge(use({ name: 'write_file' }))).toMatchObject({ decision: 'deny', rule: 'blocked_tools' })
    expect(judge(use({ name: 'read_file' }))).toMatchObject({ decision: 'allow' })
  })

  test('a gated tool waits for an approval once approvals are enabled, and a rule that denies it comes first', () => {
    expect(judgeWith({ gated_tools: ['read_file'] })(use({}))).toMatchObject({ decision: 'allow' })
    const judge = judgeWith({ enabled: true, gated_tools: ['read_file'] })
    expect(judge(use({}))).toMatchObject({ decision: 'gate', rule: 'approval' })
    expect(judge(use({ authority: 'External' }))).toMatchObject({ decision: 'deny', rule: 'authority' })
  })
})
