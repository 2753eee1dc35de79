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
])('%j is %s', (request, scope) => {
  expect(resolveScope(request)).toBe(scope)
})

test.each<[ScopeRequest, string]>([
  [{ scope_mode: 'peer' }, 'peer_id or sender_id is required when session.scope_mode is peer'],
  [{ scope_mode: 'group' }, 'peer_id or sender_id is required when session.scope_mode is group'],
  [{ scope_mode: 'group', is_group: true, peer_id: 'p' }, 'group_id is required'],
  [{ scope_mode: 'peer', peer_id: 'p', channel: ' ' }, 'channel must not be empty'],
  [{ scope_mode: 'peer', peer_id: 'p', channel: 'a\u0007' }, 'channel must not contain control characters'],
  [{ scope_mode: 'peer', peer_id: 'p', channel: 'é'.repeat(129) }, 'channel exceeds max length (256)'],
])('%j is refused: %s', (request, message) => {
  expect(() => resolveScope(request)).toThrow(message)
})

test.each([
  ['hello, can you plan a garden?', 'Plan a garden'],
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
