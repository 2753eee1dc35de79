import { describe, expect, test } from 'vitest'
import { type Command, parseCommand, refusalOf, requiredAuthority } from '#kernel/policy/commands.ts'

test.each<[string, Command]>([
  ['/help', { name: 'help' }],
  ['  /STATUS  ', { name: 'status' }],
  ['/status@keel_bot', { name: 'status' }],
  ['/model', { name: 'model', action: 'show' }],
  ['/model reset', { name: 'model', action: 'reset' }],
  ['/model clear', { name: 'model', action: 'reset' }],
  ['/model openai/gpt-4o', { name: 'model', action: 'set', model: 'openai/gpt-4o' }],
  ['/breaker', { name: 'breaker', action: 'show' }],
  ['/breaker reset', { name: 'breaker', action: 'reset', provider: null }],
  ['/breaker reset openai', { name: 'breaker', action: 'reset', provider: 'openai' }],
  ['/new', { name: 'new' }],
  ['/stop', { name: 'stop' }],
  ['/retry', { name: 'retry' }],
  ['/models', { name: 'models' }],
])('%s is a command', (text, command) => {
  expect(parseCommand(text)).toEqual(command)
})

test.each(['hello', '/unknown', '/help me with this', 'what is /help', '/', '/read notes.txt', '/breaker open x', ''])(
  '%j is a message for the model',
  (text) => {
    expect(parseCommand(text)).toBeNull()
  },
)

describe('authority', () => {
  test('to show is free, the status is for peers, to change is for the creator', () => {
    expect(requiredAuthority({ name: 'help' })).toBe('External')
    expect(requiredAuthority({ name: 'status' })).toBe('Peer')
    expect(requiredAuthority({ name: 'model', action: 'set', model: 'a/b' })).toBe('Creator')
    expect(requiredAuthority({ name: 'breaker', action: 'reset', provider: null })).toBe('Creator')
  })

  test('a refusal names what it takes', () => {
    expect(refusalOf({ name: 'status' }, 'External')).toContain('requires Peer authority')
    expect(refusalOf({ name: 'model', action: 'reset' }, 'SelfGenerated')).toContain('requires Creator authority')
    expect(refusalOf({ name: 'model', action: 'reset' }, 'Creator')).toBeNull()
  })
})
