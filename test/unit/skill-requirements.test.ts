import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isOnPath } from '#kernel/guests/on-path.ts'
import { unmetRequirements } from '#kernel/skills/requirements.ts'
import type { SkillRequirements } from '#sdk/skill.ts'
import { temporaryFolder } from '../support/temp-store.ts'

const none: SkillRequirements = { bins: [], any_bins: [], env: [], os: [] }

function pathWith(...programs: string[]): { PATH: string } {
  const folder = temporaryFolder()
  for (const program of programs) {
    writeFileSync(join(folder, program), '')
    chmodSync(join(folder, program), 0o755)
  }
  return { PATH: folder }
}

test('what the machine lacks is said in words', () => {
  const env = { ...pathWith('git', 'rg'), EDITOR: 'vi', EMPTY: '' }
  const unmet = (wanted: Partial<typeof none>) => unmetRequirements({ ...none, ...wanted }, env, 'linux')
  expect(unmet({})).toEqual([])
  expect(unmet({ bins: ['git'], any_bins: ['ag', 'rg'], env: ['EDITOR'], os: ['macos', 'Linux'] })).toEqual([])
  expect(unmet({ bins: ['git', 'uv'] })).toEqual(['the program uv is not on the path'])
  expect(unmet({ any_bins: ['ag', 'ack'] })).toEqual(['none of the programs ag, ack is on the path'])
  expect(unmet({ env: ['EMPTY', 'KEY'] })).toHaveLength(2)
  expect(unmet({ os: ['macos', 'win32'] })).toEqual(['it is for macos, win32, and this is linux'])
  expect(unmetRequirements({ ...none, os: ['mac'] }, env, 'darwin')).toEqual([])
})

test('a program is a name, not a path, and one that can be started', () => {
  const env = pathWith('git')
  writeFileSync(join(env.PATH, 'plain'), '')
  for (const name of ['plain', 'gone', './git', '../git', '/bin/sh', '', 'a b']) expect(isOnPath(name, env)).toBe(false)
  expect(isOnPath('git', { PATH: `:${env.PATH}` })).toBe(true)
  expect(isOnPath('git', { PATH: '' })).toBe(false)
})

test('what is installed meanwhile is seen after five seconds', () => {
  const env = pathWith()
  expect(isOnPath('late', env, 1_000)).toBe(false)
  writeFileSync(join(env.PATH, 'late'), '')
  chmodSync(join(env.PATH, 'late'), 0o755)
  expect(isOnPath('late', env, 5_999)).toBe(false)
  expect(isOnPath('late', env, 6_001)).toBe(true)
})
