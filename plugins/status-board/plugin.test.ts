import { openPlugin, type TestedPlugin } from '@keel/sdk/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'

let plugin: TestedPlugin

beforeEach(async () => {
  plugin = await openPlugin(import.meta.dirname, { settings: { title: 'House', keep: 3 } })
})

afterEach(() => plugin.close())

const post = (subject: string, level?: string) =>
  plugin.call('board_post', { subject, text: `about ${subject}`, level })

test('a note stands under its subject once, the newest first', async () => {
  await post('Backup')
  await post('Disk', 'warning')
  await post('backup', 'good')
  const board = (await plugin.call('board_list')) as { title: string; notes: { subject: string; level: string }[] }
  expect(board.title).toBe('House')
  expect(board.notes.map(({ subject }) => subject).sort()).toEqual(['Disk', 'backup'])
  expect(await plugin.call('board_list', { level: 'warning' })).toMatchObject({ notes: [{ subject: 'Disk' }] })
})

test('only so many are kept', async () => {
  for (const subject of ['a', 'b', 'c', 'd', 'e']) await post(subject)
  const { notes } = (await plugin.call('board_list')) as { notes: unknown[] }
  expect(notes).toHaveLength(3)
  expect(plugin.kept.size).toBe(3)
})

test('a note is taken off', async () => {
  await post('Backup')
  expect(await plugin.call('board_remove', { subject: 'BACKUP' })).toEqual({ removed: true })
  expect(await plugin.call('board_remove', { subject: 'Backup' })).toEqual({ removed: false })
})
