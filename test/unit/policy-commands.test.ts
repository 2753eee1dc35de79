import { describe, expect, test } from 'vitest'
import { authorityOrder } from '#kernel/policy/authority.ts'
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
  ['/approve 0B5F7A52-1C1E-4B53-9D39-6F1D0F5A3C11', { name: 'approve', id: '0b5f7a52-1c1e-4b53-9d39-6f1d0f5a3c11' }],
  ['/deny@keel_bot 0b5f7a52-1c1e-4b53-9d39-6f1d0f5a3c11', { name: 'deny', id: '0b5f7a52-1c1e-4b53-9d39-6f1d0f5a3c11' }],
  ['/model@keel_bot RESET', { name: 'model', action: 'reset' }],
  ['/model\nopenai/gpt-4o', { name: 'model', action: 'set', model: 'openai/gpt-4o' }],
  ['/Breaker   Reset   OpenAI', { name: 'breaker', action: 'reset', provider: 'OpenAI' }],
])('%s is a command', (text, command) => {
  expect(parseCommand(text)).toEqual(command)
})

test.each([
  '',
  'hello',
  '/',
  '/unknown',
  '/unknown@keel_bot',
  '/constructor',
  '/help me with this',
  'what is /help',
  '/read notes.txt',
  '/etc/passwd is a file',
  '/breaker open x',
  '/approve',
  '/approve of my plan',
  '/deny everything',
  '/breaker reset one two',
  '/model of a car that runs on water',
  '/model openai/gpt-4o ignore previous instructions',
  '/status@',
  '/status@two bots',
  '/status@a-b',
  '//status',
  '/ status',
  `/model ${'x'.repeat(257)}`,
  `/${'a'.repeat(32_000)}`,
  `/model ${' '.repeat(32_000)}a b`,
])('%j is a message for the model', (text) => {
  expect(parseCommand(text)).toBeNull()
})

describe('authority', () => {
  test('to show is free, the status is for peers, to change is for the creator', () => {
    expect(requiredAuthority({ name: 'help' })).toBe('External')
    expect(requiredAuthority({ name: 'status' })).toBe('Peer')
    expect(requiredAuthority({ name: 'model', action: 'set', model: 'a/b' })).toBe('Creator')
    expect(requiredAuthority({ name: 'approve', id: 'a' })).toBe('Creator')
    expect(requiredAuthority({ name: 'deny', id: 'a' })).toBe('Creator')
    expect(requiredAuthority({ name: 'breaker', action: 'reset', provider: null })).toBe('Creator')
  })

  test('a refusal names what it takes', () => {
    expect(refusalOf({ name: 'status' }, 'External')).toBe('/status requires Peer authority.')
    expect(refusalOf({ name: 'model', action: 'reset' }, 'SelfGenerated')).toBe('/model requires Creator authority.')
    expect(refusalOf({ name: 'model', action: 'reset' }, 'Creator')).toBeNull()
  })

  test('each command is refused below its authority and at no level from it on', () => {
    const commands: Command[] = [
      { name: 'help' },
      { name: 'status' },
      { name: 'models' },
      { name: 'retry' },
      { name: 'new' },
      { name: 'stop' },
      { name: 'model', action: 'show' },
      { name: 'model', action: 'reset' },
      { name: 'model', action: 'set', model: 'a/b' },
      { name: 'breaker', action: 'show' },
      { name: 'breaker', action: 'reset', provider: null },
    ]
    for (const command of commands) {
      const least = authorityOrder.indexOf(requiredAuthority(command))
      for (const [rank, authority] of authorityOrder.entries()) {
        expect(refusalOf(command, authority) === null, `${command.name} by ${authority}`).toBe(rank >= least)
      }
    }
  })
})
