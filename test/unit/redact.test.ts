import { expect, test } from 'vitest'
import { redactText } from '#sdk/redact.ts'

test.each([
  ['a provider key', 'key sk-proj-abcdef0123456789 used', 'key sk-*** used'],
  ['a GitHub token', 'ghp_0123456789abcdefABCD', 'ghp_***'],
  ['a bearer header', 'authorization: Bearer abcdef.123456', 'authorization: Bearer ***'],
  ['a bot token', 'bot 123456789:AAabcdefghijklmnopqrstuvwxyz01234', 'bot ***:***'],
  ['a WebSocket ticket', 'wst_0123456789abcdef0123', 'wst_***'],
])('%s does not survive', (_, text, redacted) => {
  expect(redactText(text)).toBe(redacted)
})

test('a private key is removed whole, also when its end is missing', () => {
  expect(redactText('x -----BEGIN EC PRIVATE KEY-----\nMIIE\n-----END EC PRIVATE KEY----- y')).toBe(
    'x ***private key*** y',
  )
  expect(redactText('-----BEGIN PRIVATE KEY-----\nMIIE')).toBe('***private key***')
})

test('ordinary text stays as it is', () => {
  const text = 'the task-list is at https://example.org/a?b=1 and 12:30 is fine'
  expect(redactText(text)).toBe(text)
})
