import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { keel as runCli } from '../support/cli-run.ts'
import { eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { expectRecovered, expectRefused, isWell, type StoreScene, said, storeScene } from '../support/store-scene.ts'
import { startUpstream, type UpstreamScript } from '../support/upstream.ts'

const isLinux = process.platform === 'linux'
const tmpfsBytes = 2 * 1024 * 1024
/** Whether this user may mount, in a namespace of its own. */
const canMount = isLinux && spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0

async function upstreamOf(script: UpstreamScript) {
  const upstream = await startUpstream(script)
  onTestFinished(() => upstream.close())
  return upstream
}

/** From here on no file of the kernel grows past what its log has now: as with a quota, for any user and without a mount. */
function stopGrowth({ keel, database }: StoreScene): void {
  limitFileSize(keel.pid, statSync(`${database}-wal`).size)
}

function allowGrowth({ keel }: StoreScene): void {
  limitFileSize(keel.pid, 'unlimited')
}

function limitFileSize(pid: number, bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`])
}

function askModel({ keel }: StoreScene): Promise<Response> {
  return keel.fetch('/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'mock/test-model', messages: [{ role: 'user', content: 'Capital of France?' }] }),
  })
}

describe.skipIf(!isLinux)('a disk that takes nothing more', { timeout: 60_000 }, () => {
  test('refuses clearly, goes on reading, and stores again when there is room', async () => {
    const upstream = await upstreamOf({ text: 'Paris.' })
    const scene = await storeScene({ config: upstreamConfig(upstream.url) })
    stopGrowth(scene)
    await expectRefused(scene, /takes nothing more/)
    // What needs no storage is served; its cost and its log lines wait.
    expect((await askModel(scene)).status).toBe(200)
    const port = new URL(scene.keel.url).port
    const doctor = await runCli(['doctor', '--json', '--home', scene.keel.home], { env: { KEEL_PORT: port } })
    expect(doctor.stdout).toMatch(/takes nothing more/)

    allowGrowth(scene)
    await expectRecovered(scene)
    const costs = async () => (await scene.keel.client.stats.listCosts({ query: {} })).costs.length
    await eventually('the cost is on record', async () => (await costs()) > 0)
  })

  test('a turn that was accepted before is finished when there is room, without a restart', async () => {
    const filling: { scene?: StoreScene } = {}
    const upstream = await upstreamOf(() => {
      if (filling.scene) stopGrowth(filling.scene)
      return { text: 'Paris.' }
    })
    const scene = await storeScene({ config: upstreamConfig(upstream.url) })
    filling.scene = scene
    const answer = scene.keel.client.agent.sendMessage({ body: { content: 'What is the capital of France?' } })
    await eventually('the fault is told', async () => !(await isWell(scene)))
    delete filling.scene
    allowGrowth(scene)
    expect((await answer).content).toBe('Paris.')
    expect(upstream.requests).toHaveLength(1)
  })

  test('does not keep the kernel from an orderly end', async () => {
    const scene = await storeScene()
    stopGrowth(scene)
    await expectRefused(scene, /takes nothing more/)
    expect(await scene.keel.stop('SIGTERM')).toBe(0)
    const again = await startDaemon({ home: scene.keel.home })
    onTestFinished(() => again.dispose())
    expect(await said({ ...scene, keel: again })).toEqual(scene.acknowledged)
  })
})

test.skipIf(!canMount)(
  'a file system without room is told as full, and used again when there is some',
  { timeout: 60_000 },
  async () => {
    const home = mkdtempSync(join(tmpdir(), 'keel-home-'))
    onTestFinished(() => rmSync(home, { recursive: true, force: true }))
    const disk = join(home, 'disk')
    mkdirSync(disk)
    const mount = `mount -t tmpfs -o size=${tmpfsBytes} none '${disk}' && exec "$@"`
    const scene = await storeScene({
      home,
      config: `[database]\npath = "${join(disk, 'keel.db')}"\n`,
      before: ['unshare', '-rm', 'sh', '-c', mount, 'sh'],
    })
    const filler = join(`/proc/${scene.keel.pid}/root`, disk, 'filler')
    fill(filler)
    await expectRefused(scene, /is full/)
    rmSync(filler)
    await expectRecovered(scene)
  },
)

function fill(file: string): void {
  for (let bytes = tmpfsBytes; bytes >= 4_096; bytes = Math.floor(bytes / 2)) {
    try {
      writeFileSync(file, Buffer.alloc(bytes, 1), { flag: 'a' })
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown
    }
  }
}
