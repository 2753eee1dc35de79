import { expect, test } from 'vitest'
import type { Candidate } from '../../services/memory/recall/candidate.ts'
import { echoesOf } from '../../services/memory/recall/echoes.ts'

function entry(content: string, turn_id: string | null, given: Partial<Candidate['row']> = {}): Candidate {
  return {
    row: {
      seq: 1,
      id: content,
      tier: 'episodic',
      category: 'reasoning',
      key: null,
      name: null,
      content,
      importance: 5,
      confidence: 1,
      mentions: 1,
      successes: 0,
      failures: 0,
      source: 'user',
      trusted: 1,
      session_id: 'session',
      turn_id,
      message_id: null,
      created_at: '2031-04-01T10:00:00.000Z',
      updated_at: '2031-04-01T10:00:00.000Z',
      ...given,
    },
    scores: { text: 1, vector: null, context: null, recency: 1, importance: 0.5, total: 0.5 },
    tokens: 1,
  }
}

test('an earlier turn with the very same question leaves nothing but what others told it', () => {
  const candidates = [
    entry('How many legs has  a Spider?', 'one'),
    entry('Six, I think.', 'one', { source: 'agent' }),
    entry("Used tool 'http_get': eight legs", 'one', { source: 'tool', trusted: 0 }),
    entry('How many legs has a crab?', 'two'),
    entry('Ten.', 'two', { source: 'agent' }),
    entry('Eight.', null, { source: 'agent' }),
    entry('How many legs has a spider?', null, { tier: 'semantic', category: 'note' }),
  ]
  const isEcho = echoesOf('How many legs has a spider?', candidates)
  expect(candidates.filter(isEcho).map(({ row }) => row.content)).toEqual([
    'How many legs has  a Spider?',
    'Six, I think.',
  ])
})
