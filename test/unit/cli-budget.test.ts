import { expect, test } from 'vitest'
import { fakeKeel, keel } from '../support/cli-run.ts'

const nothing = { spent: 0, reserved: 0, unsettled: 0, left: null }
const lines = { soft_cost: null, hard_cost: null, soft_tokens: null, hard_tokens: null }
const times = { soft_at: null, hard_at: null, opened_at: '2026-03-04T00:00:00.000Z', begins_anew_at: null }

const answer = {
  day: '2026-03-04',
  max_output_tokens: 8_192,
  budgets: [
    {
      scope: 'day',
      ...lines,
      soft_cost: 8,
      hard_cost: 10,
      accounts: [
        {
          key: '',
          cost: { spent: 8.25, reserved: 0.5, unsettled: 0.125, left: 1.125 },
          tokens: { ...nothing, spent: 1_234 },
          ...times,
        },
      ],
    },
    {
      scope: 'session',
      ...lines,
      soft_tokens: 80,
      hard_tokens: 100,
      accounts: [
        { key: 'a\u001b[31mb', cost: nothing, tokens: { spent: 90, reserved: 0, unsettled: 10, left: 0 }, ...times },
      ],
    },
    { scope: 'job', ...lines, soft_cost: 0.8, hard_cost: 1, accounts: [] },
    { scope: 'subagent', ...lines, accounts: [] },
    { scope: 'api_key', ...lines, accounts: [] },
  ],
}

test('a person reads a row for each account and measure; a program reads what the server said', async () => {
  const { url, calls } = await fakeKeel({ 'GET /api/budgets': answer })
  const env = { KEEL_URL: url, KEEL_API_KEY: 'key' }
  const { code, stdout } = await keel(['budget', '--limit', '5'], { env })
  expect(code).toBe(0)
  const rows = stdout.split('\n').map((line) => line.split(/ {2,}/))
  expect(rows).toEqual([
    ['On 2026-03-04 (UTC)'],
    [''],
    ['BUDGET', 'OF', 'SPENT', 'RESERVED', 'UNSETTLED', 'SOFT', 'HARD', 'LEFT', 'STATE'],
    ['day', 'all', '$8.25', '$0.5000', '$0.1250', '$8.00', '$10.00', '$1.13', 'past its soft line'],
    ['day', 'all', '1,234 tokens', '0 tokens', '0 tokens', '–', '–', '–'],
    ['session', expect.stringContaining('b'), '$0.00', '$0.00', '$0.00', '–', '–', '–'],
    [
      'session',
      expect.stringContaining('b'),
      '90 tokens',
      '0 tokens',
      '10 tokens',
      '80 tokens',
      '100 tokens',
      '0 tokens',
      'used up',
    ],
    ['job', 'each', '$0.00', '$0.00', '$0.00', '$0.8000', '$1.00', '$1.00'],
    [''],
  ])
  expect(stdout).not.toContain('\u001b')
  expect(calls.map((call) => call.url)).toEqual(['/api/budgets?limit=5'])
  const json = await keel(['budget', '--json'], { env })
  expect(JSON.parse(json.stdout)).toEqual(answer)
})
