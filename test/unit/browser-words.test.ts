import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { folderName, numberedName, plainFileName } from '../../services/browser/file-name.ts'
import { Notices } from '../../services/browser/notices.ts'
import { pageLine, pageText } from '../../services/browser/page-text.ts'
import { PipeTransport } from '../../services/browser/pipe-transport.ts'
import { diffSnapshots } from '../../services/browser/snapshot-diff.ts'

test.each([
  ['report.pdf', 'report.pdf'],
  ['../../etc/passwd', 'passwd'],
  ['C:\\Windows\\evil.exe', 'evil.exe'],
  ['.bashrc', 'bashrc'],
  ['a\u0000b\u202Efdp.exe', 'a_b_fdp.exe'],
  ['con.txt', '_con.txt'],
  ['...', 'download'],
  ['', 'download'],
  ['a<b>:"|?*.txt', 'a_b______.txt'],
  ['trailing. ', 'trailing'],
])('a file that a site calls %j is called %j', (given, plain) => {
  expect(plainFileName(given)).toBe(plain)
})

test('a name that is too long keeps its extension', () => {
  const name = plainFileName(`${'ä'.repeat(500)}.pdf`)
  expect(Buffer.byteLength(name)).toBeLessThanOrEqual(120)
  expect(name).toMatch(/^ä+\.pdf$/)
  expect(numberedName('report.tar.gz', 2)).toBe('report.tar (2).gz')
})

test('sessions whose names differ have folders that differ, of plain letters', () => {
  const names = ['default', 'a/b', 'a_b', '../x', 'ä', `${'long'.repeat(60)}1`, `${'long'.repeat(60)}2`]
  const folders = names.map(folderName)
  expect(new Set(folders).size).toBe(names.length)
  for (const folder of folders) expect(folder).toMatch(/^[\w-]{1,80}$/)
})

test('what a page says has no controls, no marks that turn it round, and one line where one is meant', () => {
  expect(pageText('a\u0007b\u001b[31mc\u202Ed\te\nf', 100)).toBe('ab[31mcd\te\nf')
  expect(pageLine('one\r\ntwo\u2028three')).toBe('one two three')
  expect(pageText('😀', 1)).toBe('\uFFFD')
  expect(pageLine('x'.repeat(5_000))).toHaveLength(1_024)
})

test('a difference tells what is gone, what is new and what is the same element said anew', () => {
  const before = '- heading "A" [ref=e1]\n- button "Buy" [ref=e2]\n- text: same\n- text: same'
  const after = '- heading "A" [ref=e1]\n- button "Bought" [disabled] [ref=e2]\n- link "More" [ref=e3]\n- text: same'
  expect(diffSnapshots(before, after)).toEqual({
    diff: '- text: same\n~ button "Bought" [disabled] [ref=e2]\n+ link "More" [ref=e3]',
    added: 1,
    removed: 1,
    changed: 1,
  })
  expect(diffSnapshots(before, before).diff).toBe('')
})

test('notices are bounded, and the same is told once', () => {
  const notices = new Notices()
  for (let n = 0; n < 3; n++) notices.add('dialog', 'again')
  for (let n = 0; n < 100; n++) notices.add('console_error', `error ${n}`)
  const told = notices.take()
  expect(told).toHaveLength(40)
  expect(told[0]).toEqual({ kind: 'dialog', text: 'again' })
  expect(told.at(-1)?.text).toBe('error 38 (and 61 more events)')
  expect(notices.take()).toEqual([])
})

test('a message of the browser that is too long is refused for whoever asked, and dropped when nobody did', async () => {
  const input = new PassThrough()
  const transport = new PipeTransport(new PassThrough(), input)
  const messages: object[] = []
  const second = new Promise<void>((resolve) => {
    transport.onmessage = (message) => {
      messages.push(message)
      if (messages.length === 2) resolve()
    }
  })
  const long = Buffer.alloc(1_000_000, 'x')
  input.write('{"method":"Runtime.consoleAPICalled","params":"')
  for (let n = 0; n < 40; n++) input.write(long)
  input.write('","sessionId":"AB"}\0{"id":7,"result":"')
  for (let n = 0; n < 40; n++) input.write(long)
  input.write('","sessionId":"AB"}\0{"id":8,"result":{}}\0')
  await second
  const error = { code: -32_000, message: expect.stringContaining('has more than 33554432 bytes') }
  expect(messages).toEqual([
    { id: 7, sessionId: 'AB', error },
    { id: 8, result: {} },
  ])
})
