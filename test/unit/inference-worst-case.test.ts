import { expect, test } from 'vitest'
import { outputLimitOf } from '../../services/inference/output-limits.ts'
import { mostInputTokens, mostTextTokens } from '../../services/inference/worst-case.ts'
import { requestWith } from '../support/inference-service.ts'

const most = (change: Parameters<typeof requestWith>[0], format: 'openai' | 'anthropic' = 'openai') =>
  mostInputTokens(requestWith(change), format)

test('no text has more tokens than bytes, whatever its script', () => {
  const short = most({ text: '' })
  expect(most({ text: 'a'.repeat(1_000) }) - short).toBe(1_000)
  expect(most({ text: '語'.repeat(1_000) }) - short).toBe(3_000)
  expect(most({ text: '🜨'.repeat(1_000) }) - short).toBe(4_000)
  expect(mostTextTokens(['語', 'aa']) - mostTextTokens(['', ''])).toBe(5)
})

test('all that is sent counts: every message, what tools are told of and were asked, and the form of the answer', () => {
  const plain = most({ text: 'x' })
  const tool = { name: 'look', description: 'd'.repeat(500), parameters: { type: 'object' } }
  expect(most({ text: 'x', tools: [tool] }) - plain).toBeGreaterThan(500 + 1_000)
  const called = {
    role: 'assistant' as const,
    content: '',
    tool_calls: [{ id: 'one', name: 'look', arguments: 'a'.repeat(300) }],
  }
  const answered = { role: 'tool' as const, content: 'b'.repeat(200), tool_call_id: 'one' }
  expect(most({ messages: [called, answered] })).toBeGreaterThan(300 + 200 + 3)
  expect(most({ text: 'x', response_format: { type: 'json_schema', note: 'n'.repeat(100) } }) - plain).toBeGreaterThan(
    100,
  )
})

test('a picture counts by a bound of its provider, and not by the bytes in which it is sent', () => {
  const picture = (url: string) => ({
    messages: [{ role: 'user' as const, content: [{ type: 'image' as const, url }] }],
  })
  const small = picture('https://pictures.example/a.png')
  const large = picture(`data:image/png;base64,${'A'.repeat(1_000_000)}`)
  expect(most(large)).toBe(most(small))
  expect(most(large)).toBeGreaterThan(48_000)
  expect(most(large, 'anthropic')).toBeLessThan(10_000)
})

test('models that refuse long answers are known, by whatever way they are reached', () => {
  expect(outputLimitOf('openai/gpt-4-turbo-2024-04-09')).toBe(4_096)
  expect(outputLimitOf('router/anthropic/claude-3-haiku-20240307')).toBe(4_096)
  for (const model of ['openai/gpt-4o', 'openai/gpt-4.1', 'claude/claude-sonnet-4-5', 'mine/unheard-of'])
    expect(outputLimitOf(model)).toBe(Number.POSITIVE_INFINITY)
})
