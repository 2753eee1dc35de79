import { expect, test } from 'vitest'
import type { z } from 'zod'
import { anthropicAnswer } from '#kernel/compat/anthropic-answer.ts'
import { anthropicQuestion, anthropicUser } from '#kernel/compat/anthropic-question.ts'
import { lastUserText } from '#kernel/compat/ask-agent.ts'
import { chatCompletion } from '#kernel/compat/chat-answer.ts'
import { chatQuestion } from '#kernel/compat/chat-question.ts'
import { doorError } from '#kernel/compat/door-error.ts'
import type { Answer } from '#kernel/compat/question.ts'
import { responseQuestion } from '#kernel/compat/response-question.ts'
import { anthropicRequest } from '#sdk/contracts/anthropic.ts'
import { chatRequest } from '#sdk/contracts/openai-chat.ts'
import { responsesRequest } from '#sdk/contracts/openai-responses.ts'
import { RuntimeError } from '#sdk/errors.ts'

const hello = [{ role: 'user' as const, content: 'Hello?' }]
const base = { model: 'm', messages: hello }

const chat = (change: Partial<z.input<typeof chatRequest>>) => chatQuestion(chatRequest.parse({ ...base, ...change }))
const anthropic = (change: Partial<z.input<typeof anthropicRequest>>) =>
  anthropicQuestion(anthropicRequest.parse({ ...base, max_tokens: 5, ...change }))
const response = (change: Partial<z.input<typeof responsesRequest>>) =>
  responseQuestion(responsesRequest.parse({ model: 'm', input: 'Hello?', ...change }))

const answer: Answer = {
  model: 'p/m',
  text: '',
  tool_calls: [],
  finish_reason: 'stop',
  usage: { tokens_in: 1, tokens_out: 2, estimated: false },
}

test('null means absent, and the newer name of the limit wins', () => {
  const absent = { temperature: null, top_p: null, stop: null, seed: null, tools: null, tool_choice: null }
  const question = chat({ ...absent, response_format: { type: 'text' }, max_tokens: 9, max_completion_tokens: 5 })
  expect(JSON.parse(JSON.stringify(question))).toEqual({ ...base, max_tokens: 5 })
  expect(chat({ max_tokens: 9 }).max_tokens).toBe(9)
})

test('every role and part of a chat has its neutral form', () => {
  const call = { id: 'c', type: 'function' as const, function: { name: 'f', arguments: '{}' } }
  const { messages } = chat({
    messages: [
      { role: 'developer', content: [{ type: 'text', text: 'Be kind.' }] },
      { role: 'user', name: 'eve', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] },
      { role: 'assistant', content: null, refusal: 'No.' },
      { role: 'assistant', tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c', content: 'done' },
    ],
  })
  expect(JSON.parse(JSON.stringify(messages))).toEqual([
    { role: 'system', content: [{ type: 'text', text: 'Be kind.' }] },
    { role: 'user', name: 'eve', content: [{ type: 'image', url: 'https://example.com/a.png' }] },
    { role: 'assistant', content: 'No.' },
    { role: 'assistant', content: '', tool_calls: [{ id: 'c', name: 'f', arguments: '{}' }] },
    { role: 'tool', tool_call_id: 'c', content: 'done' },
  ])
})

test('tools without a description or parameters get empty ones; a named choice is that name', () => {
  const named = { type: 'function' as const, function: { name: 'f' } }
  expect(chat({ tools: [named], tool_choice: named })).toMatchObject({
    tools: [{ name: 'f', description: '', parameters: { type: 'object', properties: {} } }],
    tool_choice: { name: 'f' },
  })
})

test.each([
  [{ type: 'auto' as const }, 'auto'],
  [{ type: 'none' as const }, 'none'],
  [{ type: 'any' as const }, 'required'],
  [{ type: 'tool' as const, name: 'f' }, { name: 'f' }],
])('the choice %j of an Anthropic client is %j', (tool_choice, neutral) => {
  expect(anthropic({ tool_choice }).tool_choice).toEqual(neutral)
})

test('a named choice needs its name, and the user is told by metadata', () => {
  expect(() => anthropic({ tool_choice: { type: 'tool' } })).toThrow('tool_choice.name: is required')
  const withUser = anthropicRequest.parse({ ...base, max_tokens: 5, metadata: { user_id: 'eve' } })
  expect(anthropicUser(withUser)).toBe('eve')
  expect(anthropicUser(anthropicRequest.parse({ ...base, max_tokens: 5, metadata: { user_id: 7 } }))).toBeUndefined()
})

test('what a model thought is left out of an Anthropic conversation', () => {
  const thought = { type: 'thinking', thinking: 'Hm.', signature: 'x' }
  const content = [thought, { type: 'text', text: 'Yes.' }]
  expect(anthropic({ messages: [...hello, { role: 'assistant', content }] }).messages.at(-1)).toEqual({
    role: 'assistant',
    content: 'Yes.',
  })
})

test('items of a response become messages, and calls join what they follow', () => {
  const { messages } = response({
    instructions: 'Be kind.',
    input: [
      { role: 'user', content: 'Hello?' },
      { type: 'reasoning', id: 'r', summary: [] },
      { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
      { type: 'function_call', call_id: 'd', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c', output: [{ type: 'input_text', text: 'done' }] },
    ],
  })
  expect(messages).toEqual([
    { role: 'system', content: 'Be kind.' },
    ...hello,
    {
      role: 'assistant',
      content: '',
      tool_calls: [
        { id: 'c', name: 'f', arguments: '{}' },
        { id: 'd', name: 'f', arguments: '{}' },
      ],
    },
    { role: 'tool', tool_call_id: 'c', content: 'done' },
  ])
})

test.each([
  [() => response({ input: [{ type: 'shell_call' }] }), 'input.0.type: must be one of message, function_call'],
  [() => response({ input: [{ role: 'user', content: [{ type: 'input_file' }] }] }), 'input.0.content.0.type: must be'],
  [
    () => response({ input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'file:///x' }] }] }),
    'input.0.content.0.image_url: must be an https: URL',
  ],
  [() => response({ text: { format: { type: 'grammar' } } }), 'text.format.type: must be one of'],
  [() => response({ previous_response_id: 'r' }), 'previous_response_id: responses are not kept here'],
])('a response is refused with the name of its field %#', (ask, message) => {
  expect(ask).toThrow(message)
})

test('an answer that is only a call has no content, and one that is empty has an empty one', () => {
  const call = { id: 'c', name: 'f', arguments: '{"a":1}' }
  const called = chatCompletion({ ...answer, tool_calls: [call], finish_reason: 'tool_calls' })
  expect(called.choices[0]?.message).toMatchObject({ content: null, tool_calls: [{ id: 'c' }] })
  expect(chatCompletion(answer).choices[0]?.message).toEqual({ role: 'assistant', content: '', refusal: null })
  expect(anthropicAnswer({ ...answer, tool_calls: [call] }).content).toMatchObject([
    { type: 'tool_use', input: { a: 1 } },
  ])
})

test.each([['[1]'], ['null'], ['{"a":']])(
  'arguments that are no object do not reach an Anthropic client: %s',
  (text) => {
    const tool_calls = [{ id: 'c', name: 'f', arguments: text }]
    expect(() => anthropicAnswer({ ...answer, tool_calls })).toThrow('The model called f with what is no JSON object')
  },
)

test('the agent is asked the text of the last user message', () => {
  const content = [
    { type: 'image' as const, url: 'https://example.com/a.png' },
    { type: 'text' as const, text: 'This?' },
  ]
  expect(lastUserText([...hello, { role: 'user', content }, { role: 'assistant', content: 'Yes.' }])).toBe('This?')
  expect(() => lastUserText([{ role: 'system', content: 'x' }])).toThrow('messages: has no user message')
})

test.each([
  [{ category: 'rate_limit', retry_after_seconds: 7 }, 'rate_limited', { retry_after_seconds: 7 }],
  [{ category: 'timeout' }, 'timeout', undefined],
  [{ category: 'rejected', upstream_status: 404 }, 'not_found', { code: 'model_not_found' }],
  [{ category: 'rejected', upstream_status: 422 }, 'invalid', undefined],
])('the failure %j is told as %s', (given, kind, details) => {
  const thrown = new RuntimeError('upstream_failed', 'provider error', given)
  expect(doorError(thrown)).toMatchObject({ kind, details, cause: thrown })
})

test('any other failure is told as it is', () => {
  for (const thrown of [new RuntimeError('upstream_failed', 'x', { category: 'server' }), new Error('a bug')]) {
    expect(doorError(thrown)).toBe(thrown)
  }
})
