import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { homePaths, openHome, readSecretKey, replaceSecretKey } from '#kernel/home.ts'
import { lockHome, runningPid } from '#kernel/home-lock.ts'
import { readApiKeyFile } from '#kernel/secrets/api-key.ts'
import { tempHome } from '../support/temp-home.ts'

function modeOf(path: string): number {
  return statSync(path).mode & 0o777
}

test('a home is made whole, private, and only once', () => {
  const home = tempHome()
  for (const folder of [home.root, home.skills, home.plugins, home.workspace, home.logs, home.run])
    expect(modeOf(folder)).toBe(0o700)
  for (const file of [home.config, home.overrides, home.secretKey, home.apiKey]) expect(modeOf(file)).toBe(0o600)
  expect(readSecretKey(home)).toHaveLength(32)
  expect(readApiKeyFile(home)).toMatch(/^keel_[\w-]{43}$/)

  const key = readFileSync(home.secretKey)
  writeFileSync(home.config, '[agent]\nname = "Mine"')
  chmodSync(home.secretKey, 0o644)
  chmodSync(home.root, 0o755)
  openHome(home.root, {})
  expect(readFileSync(home.secretKey)).toEqual(key)
  expect(readFileSync(home.config, 'utf8')).toBe('[agent]\nname = "Mine"')
  expect(modeOf(home.secretKey)).toBe(0o600)
  expect(modeOf(home.root)).toBe(0o700)
})

test('KEEL_HOME says where, and a path given says it louder', () => {
  expect(homePaths(undefined, { KEEL_HOME: '/srv/keel' }).config).toBe('/srv/keel/keel.toml')
  expect(homePaths('/opt/k', { KEEL_HOME: '/srv/keel' }).root).toBe('/opt/k')
  expect(homePaths(undefined, {}).root).toMatch(/\/\.keel$/)
})

test('a lost secret key is never replaced silently once there may be secrets', () => {
  const home = tempHome()
  writeFileSync(home.database, '')
  rmSync(home.secretKey)
  expect(() => openHome(home.root, {})).toThrow('keel start --new-secret-key')
  replaceSecretKey(home.root, {})
  expect(() => replaceSecretKey(home.root, {})).toThrow('exists, so no new one is made')
  expect(readSecretKey(openHome(home.root, {}))).toHaveLength(32)
  writeFileSync(home.secretKey, 'short')
  expect(() => readSecretKey(home)).toThrow('holds 5 bytes instead of 32')
})

test('a home that is a file is told in a sentence', () => {
  const home = tempHome()
  const file = join(home.root, 'file')
  writeFileSync(file, '')
  expect(() => openHome(file, {})).toThrow("can not be used as Keel's home")
})

test('one kernel to a home; the lock is free again once its holder is gone, killed or not', async () => {
  const home = tempHome()
  const lock = lockHome(home)
  expect(() => lockHome(home)).toThrow(`Keel already runs in ${home.root} (process ${process.pid})`)
  expect(runningPid(home)).toBe(process.pid)
  lock.release()
  expect(runningPid(home)).toBeUndefined()

  const script = `
    const { openHome } = await import('#kernel/home.ts')
    const { lockHome } = await import('#kernel/home-lock.ts')
    globalThis.held = lockHome(openHome(${JSON.stringify(home.root)}, {}))
    console.log('locked')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await once(child.stdout, 'data', { signal: AbortSignal.timeout(10_000) })
    expect(() => lockHome(home)).toThrow(`(process ${child.pid})`)
    expect(runningPid(home)).toBe(child.pid)
  } finally {
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  expect(runningPid(home)).toBeUndefined()
  lockHome(home).release()
})
