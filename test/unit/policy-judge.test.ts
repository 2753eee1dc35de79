import { describe, expect, test } from 'vitest'
import { authorityOrder, resolveAuthority } from '#kernel/policy/authority.ts'
import { type Entry, grantsOf, type TrustSettings } from '#kernel/policy/grants.ts'
import { type ApprovalSettings, openJudge } from '#kernel/policy/judge.ts'
import type { ToolUse } from '#kernel/policy/rules.ts'
import type { RiskLevel } from '#sdk/services/tools.ts'

const trust: TrustSettings = {
  security: { api_authority: 'Creator', allowlist_authority: 'Peer', trusted_authority: 'Creator' },
  channels: {
    trusted_sender_ids: ['777'],
    telegram: { allowed_chat_ids: [42] },
    whatsapp: { allowed_numbers: [] },
    discord: { allowed_guild_ids: [] },
    slack: { allowed_channel_ids: [] },
    matrix: { allowed_room_ids: [] },
    signal: { allowed_numbers: [] },
    email: { allowed_senders: [] },
  },
}
const policy = {
  per_payment_cap: 100,
  workspace_only: true,
  workspace: '/home/anna/.keel/workspace',
  allowed_paths: [],
  protected_patterns: ['.env'],
  home: '/home/anna/.keel',
}
const gating: ApprovalSettings = {
  enabled: true,
  gated_tools: ['send_*'],
  blocked_tools: ['shred'],
  gate_risk: 'Dangerous',
}

function judgeWith(approvals: Partial<ApprovalSettings> = {}, now = () => 0) {
  return openJudge(() => ({ policy, approvals: { ...gating, ...approvals } }), { now })
}

function use(given: Partial<ToolUse> & { name?: string; risk?: RiskLevel } = {}): ToolUse {
  const { name = 'tool', risk = 'Safe', ...more } = given
  return { tool: { name, risk, paths: ['path'] }, input: {}, authority: 'Creator', ...more }
}

describe('a call is judged by its way in, whether its text was flagged, and its risk', () => {
  const telegram = (chat_id: string, sender_id = '1'): Entry => ({
    via: 'channel',
    sender: { platform: 'telegram', sender_id, chat_id },
  })
  const risks: RiskLevel[] = ['Safe', 'Caution', 'Dangerous', 'Forbidden']
  const [ok, ask, low, never] = ['allow rules', 'gate approval', 'deny authority', 'deny command_safety']
  const table: [way: string, entry: Entry, plain: (string | undefined)[]][] = [
    ['the API', { via: 'api' }, [ok, ok, ask, never]],
    ['a trusted sender', telegram('1', '777'), [ok, ok, ask, never]],
    ['a sender on the allow list', telegram('42'), [ok, ok, low, low]],
    ['another agent', { via: 'peer' }, [ok, ok, low, low]],
    ['a schedule', { via: 'cron' }, [ok, ok, ask, low]],
    ['a stranger', telegram('1'), [ok, low, low, low]],
    ['nobody', { via: 'none' }, [ok, low, low, low]],
  ]
  for (const [way, entry, plain] of table) {
    for (const flagged of [false, true]) {
      test.each(risks.map((risk, i) => [risk, flagged ? [ok, low, low, low][i] : plain[i]] as const))(
        `${way}${flagged ? ', flagged' : ''}: %s is %s`,
        (risk, expected) => {
          const grants = grantsOf(entry, trust)
          const { level } = resolveAuthority({ grants, ceilings: flagged ? ['External'] : [] })
          const { decision, rule } = judgeWith()(use({ risk, authority: level }))
          expect(`${decision} ${rule}`).toBe(expected)
        },
      )
    }
  }
})

describe('a rule that denies', () => {
  const denials: [rule: string, given: ToolUse][] = [
    ['blocked_tools', use({ name: 'shred' })],
    ['tool_policy', use({ deny: 'the skill is disabled' })],
    ['financial', use({ name: 'send_money', input: { amount: 101 } })],
    ['path_protection', use({ input: { path: 'a/.env' } })],
    ['path_protection', use({ input: { path: '/var/log/syslog' } })],
    ['validation', use({ input: { text: 'x'.repeat(102_400) } })],
    ['validation', use({ input: { path: 'a`b' } })],
    ['config_protection', use({ input: { path: '/home/anna/.keel/workspace/../keel.toml' }, authority: 'Creator' })],
  ]
  test.each(denials.slice(0, 7))('%s denies whoever asks, also what a person has allowed', (rule, given) => {
    for (const authority of authorityOrder) {
      for (const approved of [false, true]) {
        const judgement = judgeWith()({ ...given, authority, approved })
        expect(judgement).toMatchObject({ decision: 'deny', rule, context: { authority } })
        expect(judgement.reason).not.toBe('')
      }
    }
  })

  test('comes before the gate: nobody is asked about what is denied in any case', () => {
    const judge = judgeWith({ gated_tools: ['*'] })
    for (const [, given] of denials) expect(judge({ ...given, ask: 'why' }).decision).toBe('deny')
  })
})

describe('the gate', () => {
  test.each<[string, ToolUse, Partial<ApprovalSettings>, string]>([
    ['a gated name', use({ name: 'send_note' }), {}, 'gate approval'],
    ['a gated name while approvals are off', use({ name: 'send_note' }), { enabled: false }, 'allow rules'],
    ['a risk of the gate', use({ risk: 'Dangerous' }), {}, 'gate approval'],
    ['a risk below it', use({ risk: 'Caution' }), {}, 'allow rules'],
    ['any risk where all are gated', use(), { gate_risk: 'Safe' }, 'gate approval'],
    ['a risk where names alone gate', use({ risk: 'Dangerous' }), { gate_risk: 'Forbidden' }, 'allow rules'],
    [
      'what its tool has asked about, also while approvals are off',
      use({ ask: 'why' }),
      { enabled: false },
      'gate tool_policy',
    ],
    ['what a person has allowed', use({ name: 'send_note', approved: true, ask: 'why' }), {}, 'allow approval'],
  ])('%s', (_, given, approvals, expected) => {
    const { decision, rule } = judgeWith(approvals)(given)
    expect(`${decision} ${rule}`).toBe(expected)
  })

  test.each(['blocked_tools', 'gated_tools'] as const)(
    '%s hold for a tool under the name it has beside another’s',
    (list) => {
      const judge = judgeWith({ [list]: ['notify'] })
      const renamed = { name: 'pager__notify', declared: 'notify', risk: 'Safe' as const, paths: [] }
      expect(judge({ ...use(), tool: renamed }).decision).toBe(list === 'blocked_tools' ? 'deny' : 'gate')
      const byFullName = judgeWith({ [list]: ['pager__*'] })
      expect(byFullName({ ...use(), tool: renamed }).decision).toBe(list === 'blocked_tools' ? 'deny' : 'gate')
      expect(byFullName({ ...use(), tool: { ...renamed, name: 'bell__notify' } }).decision).toBe('allow')
    },
  )
})

describe('the rate of a tool', () => {
  const peer = use({ authority: 'Peer' })
  const times = (n: number, run: () => unknown) => Array.from({ length: n }, run)

  test('is not used up by what is denied, whichever rule denies it', () => {
    const judge = judgeWith()
    times(40, () => judge({ ...peer, authority: 'External', tool: { ...peer.tool, risk: 'Caution' } }))
    times(40, () => judge({ ...peer, input: { path: 'a`b' } }))
    times(40, () => judge({ ...peer, input: { path: '.env' } }))
    times(30, () => expect(judge(peer).decision).toBe('allow'))
    expect(judge(peer)).toMatchObject({ decision: 'deny', rule: 'rate_limit' })
  })

  test('is not kept used up by those who try on', () => {
    let now = 0
    const judge = judgeWith({}, () => now)
    times(30, () => judge(peer))
    now = 59_000
    times(40, () => expect(judge(peer).rule).toBe('rate_limit'))
    now = 60_001
    expect(judge(peer).decision).toBe('allow')
  })

  test('is not used by those who only ask, nor by Creator, nor twice by what a person was asked about', () => {
    const settings = () => ({ policy, approvals: gating })
    const [judge, dry] = [openJudge(settings), openJudge(settings, { dry: true })]
    times(40, () => expect(dry(peer).decision).toBe('allow'))
    times(40, () => expect(judge({ ...peer, authority: 'Creator' }).decision).toBe('allow'))
    const gated = use({ name: 'send_note', authority: 'Peer' })
    times(30, () => {
      expect(judge(gated).decision).toBe('gate')
      expect(judge({ ...gated, approved: true }).decision).toBe('allow')
    })
    expect(judge(gated).rule).toBe('rate_limit')
    expect(judge({ ...gated, approved: true }).decision).toBe('allow')
    times(30, () => expect(judge(peer).decision).toBe('allow'))
  })
})
