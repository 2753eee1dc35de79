import { expect, test } from 'vitest'
import { nicknameFor } from '#kernel/sessions/nickname.ts'
import { resolveScope, type ScopeRequest } from '#kernel/sessions/scope.ts'

test.each<[ScopeRequest, string]>([
  [{ scope_mode: 'agent' }, 'agent'],
  [{ scope_mode: 'agent', peer_id: 'p', group_id: 'g' }, 'agent'],
  [{ scope_mode: 'peer', peer_id: 'p' }, 'peer:web:p'],
  [{ scope_mode: 'peer', sender_id: 's', channel: ' Telegram ' }, 'peer:telegram:s'],
  [{ scope_mode: 'peer', peer_id: 'p', sender_id: 's' }, 'peer:web:p'],
  [{ scope_mode: 'group', group_id: 'g', channel: 'x' }, 'group:x:g'],
  [{ scope_mode: 'group', peer_id: 'p' }, 'peer:web:p'],
  [{ scope_mode: 'group', group_id: 'g', is_group: true, peer_id: 'p' }, 'group:web:g'],
  [{ scope_mode: 'group', group_id: ' ', peer_id: 'p' }, 'peer:web:p'],
  [{ scope_mode: 'peer', group_id: 'g', peer_id: 'p' }, 'peer:web:p'],
  [{ scope_mode: 'peer', peer_id: ' ', sender_id: 's' }, 'peer:web:s'],
  [{ scope_mode: 'peer', peer_id: '@anna:example.org', channel: 'Matrix' }, 'peer:matrix:@anna:example.org'],
])('%j is %s', (request, scope) => {
  expect(resolveScope(request)).toBe(scope)
})

test.each<[ScopeRequest, string]>([
  [{ scope_mode: 'peer' }, 'peer_id or sender_id is required when session.scope_mode is peer'],
  [{ scope_mode: 'group' }, 'peer_id or sender_id is required when session.scope_mode is group'],
  [{ scope_mode: 'group', is_group: true, peer_id: 'p' }, 'group_id is required'],
  [{ scope_mode: 'peer', peer_id: '' }, 'peer_id or sender_id is required when session.scope_mode is peer'],
  [{ scope_mode: 'group', group_id: '', sender_id: ' ' }, 'peer_id or sender_id is required'],
  [{ scope_mode: 'agent', channel: 'a\u0007' }, 'channel must not contain control characters'],
  [{ scope_mode: 'agent', channel: 'x'.repeat(257) }, 'channel exceeds max length (256)'],
  [{ scope_mode: 'peer', peer_id: 'p', channel: ' ' }, 'channel must not be empty'],
  [{ scope_mode: 'peer', peer_id: 'p', channel: 'a\u0007' }, 'channel must not contain control characters'],
  [{ scope_mode: 'peer', peer_id: 'p', channel: 'é'.repeat(129) }, 'channel exceeds max length (256)'],
])('%j is refused: %s', (request, message) => {
  expect(() => resolveScope(request)).toThrow(
    expect.objectContaining({ kind: 'invalid', message: expect.stringContaining(message) }),
  )
})

test('no two senders share a scope, whatever their names are made of', () => {
  const parts = ['a', 'a:b', 'b', 'b:a', 'a%3ab', 'a%253ab', '%', ':', 'a:']
  const pairs = parts.flatMap((channel) => parts.map((peer_id) => ({ channel, peer_id })))
  const scopes = pairs.flatMap(({ channel, peer_id }) => [
    resolveScope({ scope_mode: 'peer', channel, peer_id }),
    resolveScope({ scope_mode: 'group', channel, group_id: peer_id }),
  ])
  expect(new Set(scopes).size).toBe(pairs.length * 2)
})

test.each([
  ['can you plan a garden?', 'Plan a garden'],
  ['hello, can you plan a garden?', 'Can you plan a garden'],
  ['  YO what is new', 'What is new'],
  ['I need\ta new roof', 'A new roof'],
  ['help menu of vim', 'Help menu of vim'],
  ['wanted: a roof\nand a house', 'Wanted: a roof'],
  ['one\r\ntwo', 'One'],
  ['a\u001b[31mred\u0007title', 'A [31mred title'],
  [`${'x'.repeat(50)}`, `X${'x'.repeat(49)}`],
  [`${'x'.repeat(51)}`, `X${'x'.repeat(49)}...`],
  [`${'ab '.repeat(16)}abc`, `Ab ${'ab '.repeat(15)}...`.replace(' ...', '...')],
  [`${'é'.repeat(25)}`, `É${'é'.repeat(24)}`],
  [`${'é'.repeat(26)}`, `É${'é'.repeat(24)}...`],
  ['Hey! Write a poem. And another one.', 'Write a poem'],
  ['please', 'Untitled'],
  ['', 'Untitled'],
  ['?!', 'Untitled'],
  ['historic buildings of Rome', 'Historic buildings of Rome'],
  [
    'explain the difference between a process and a thread in detail',
    'Explain the difference between a process and a...',
  ],
  ['перевод', 'Перевод'],
])('%j is called %j', (text, nickname) => {
  expect(nicknameFor(text)).toBe(nickname)
})

test('a nickname never cuts a character in two and stays within its bytes', () => {
  for (const text of ['💥'.repeat(40), 'ü'.repeat(80), 'a💥'.repeat(30)]) {
    const nickname = nicknameFor(text)
    expect(Buffer.byteLength(nickname)).toBeLessThanOrEqual(53)
    expect(nickname).not.toContain('\uFFFD')
  }
})
