import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findHandover } from '#kernel/handover/record.ts'
import { homePaths } from '#kernel/home.ts'
import { runningPid } from '#kernel/home-lock.ts'
import { readToTheEnd } from '../support/broken-answer.ts'
import { goodAnswer, helpfulModel, startCallers } from '../support/callers.ts'
import { keel as runKeel } from '../support/cli-run.ts'
import { type Daemon, eventually, isAlive, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { EventFollower } from '../support/event-follower.ts'
import { startStrangers } from '../support/handover-load.ts'
import { copyInstall, type InstallCopy } from '../support/install-copy.ts'
import { processesNaming } from '../support/processes.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

/*
 * One kernel after another on the same listening socket: asked for by SIGHUP and by `keel upgrade`, refused when the new one
 * is no good, and never with nobody there.
 */

const handoverMs = 30_000
/** Far above what a quiet machine needs. */
const testMs = 120_000

let upstream: Upstream
let keel: Daemon
let install: InstallCopy | undefined

beforeEach(async () => {
  upstream = await startUpstream(helpfulModel)
})

afterEach(async () => {
  await cli('stop')
  await keel.dispose()
  await upstream.close()
  install?.remove()
  install = undefined
})

const config = () => upstreamConfig(upstream.url, '[server]\nper_actor_rate_limit_requests = 1000000\n')
const home = () => homePaths(keel.home)
const kernelPid = () => runningPid(home())
const cli = (...words: string[]) => runKeel([...words, '--home', keel.home])

async function upgrade(): Promise<{ pid: number; from_pid: number; gap_ms: number }> {
  const { code, stdout, stderr } = await cli('upgrade', '--json')
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return JSON.parse(stdout)
}

async function ask(content: string) {
  return keel.client.agent.sendMessage({ body: { content } })
}

test('under load, by signals: nobody is refused, nothing fails, no event is missing', { timeout: testMs }, async () => {
  keel = await startDaemon({ config: config() })
  const strangers = startStrangers(keel, 2)
  const callers = startCallers(keel, 2)
  const watcher = new EventFollower(keel)
  const watching = watcher.keepFollowing()
  let streaming = true
  const streams = (async () => {
    const { id } = await keel.client.sessions.createSession({ body: { scope: 'streams' } })
    for (let n = 0; streaming; n++) {
      const types: string[] = []
      for await (const event of keel.client.agent.streamMessage.stream({
        body: { content: `stream ${n}`, session_id: id },
      }))
        types.push((event as { type: string }).type)
      expect(types).toContain('stream_end')
    }
  })()
  streams.catch(() => {})

  const pids = [keel.pid]
  for (const toFirst of [true, false, true]) {
    const before = callers.answers.length
    const earlier = findHandover(home())?.id
    await eventually('answers', () => callers.answers.length > before + 5, handoverMs)
    const from = kernelPid()
    process.kill(toFirst ? keel.pid : (from ?? 0), 'SIGHUP')
    await eventually(
      'a handover',
      () => findHandover(home())?.id !== earlier && findHandover(home())?.state === 'done',
      handoverMs,
    )
    expect(findHandover(home())).toMatchObject({ from_pid: from, pid: kernelPid() })
    pids.push(kernelPid() ?? 0)
  }
  const before = callers.answers.length
  await eventually('answers again', () => callers.answers.length > before + 5, handoverMs)
  await Promise.all([strangers.stop(), callers.stop()])
  streaming = false
  await streams
  await ask('the last one')
  await eventually('three handovers seen', () => seen('kernel_handed_over') === 3)

  function seen(type: string) {
    return watcher.events.filter((event) => event.type === type).length
  }
  expect(strangers.failures).toEqual([])
  expect(strangers.answered).toBeGreaterThan(100)
  expect(new Set(callers.answers)).toEqual(new Set([goodAnswer]))
  expect(new Set(pids).size).toBe(4)
  expect(watcher.closings).toEqual([1012, 1012, 1012])
  expect(watcher.missing).toEqual([])
  expect(seen('gap')).toBe(0)
  expect(seen('turn_started')).toBe(seen('turn_completed'))
  await watching.stop()
})

test('a turn that takes too long goes on in the new kernel; who waits is told, and others are served meanwhile', {
  timeout: testMs,
}, async () => {
  keel = await startDaemon({ config: config() })
  upstream.script({ text: 'too late', delayMs: 60_000 })
  const [one, other] = await Promise.all(
    ['one', 'other'].map((scope) => keel.client.sessions.createSession({ body: { scope } })),
  )
  const headers = { 'content-type': 'application/json' }
  const waiting = keel.fetch('/api/agent/message', {
    method: 'POST',
    headers,
    body: JSON.stringify({ content: 'long', session_id: one?.id }),
  })
  await upstream.received(1)
  const streaming = keel
    .fetch('/api/agent/message/stream', {
      method: 'POST',
      headers,
      body: JSON.stringify({ content: 'long stream', session_id: other?.id }),
    })
    .then(({ body }) => readToTheEnd(body))
  await upstream.received(2)
  const completing = keel.fetch('/v1/chat/completions', {
    method: 'POST',
    headers,
    body: JSON.stringify({ model: 'mock/test-model', messages: [{ role: 'user', content: 'long too' }] }),
  })
  await upstream.received(3)
  upstream.script({ text: goodAnswer })

  const upgraded = upgrade()
  await eventually('the old kernel makes room', () => findHandover(home())?.state === 'draining', handoverMs)
  expect((await ask('short')).content).toBe(goodAnswer)
  const response = await waiting
  expect(response.status).toBe(503)
  expect(response.headers.get('retry-after')).toBe('2')
  const { turn_id } = (await response.json()) as { turn_id: string }
  const refusal = await completing
  expect([refusal.status, await refusal.text()]).toEqual([503, expect.stringContaining('Keel is stopping')])
  expect(refusal.headers.get('retry-after')).toBe('2')
  expect((await streaming).text).toMatch(/"error":"Keel is stopping; the turn goes on after the next start"/)
  await upgraded
  await eventually('the new kernel finishes both', async () => {
    const { active_turns } = await keel.client.agent.getAgentStatus()
    return active_turns === 0
  })
  for (const session of [one, other]) {
    const { messages } = await keel.client.sessions.listMessages({ params: { id: session?.id ?? '' } })
    expect(messages.map(({ role, content }) => [role, content]).at(-1)).toEqual(['assistant', goodAnswer])
    expect(messages).toHaveLength(2)
  }
  const turn = await keel.client.turns.getTurn({ params: { id: turn_id } })
  expect(turn).toMatchObject({ status: 'ok' })
})

describe('a new kernel that is no good', () => {
  const edit = (file: string, change: (text: string) => string) => {
    const path = join(install?.root ?? '', file)
    const text = readFileSync(path, 'utf8')
    expect(change(text)).not.toBe(text)
    writeFileSync(path, change(text))
  }

  async function refused(): Promise<string> {
    const pid = kernelPid()
    const { code, stderr } = await cli('upgrade')
    expect(code).toBe(1)
    expect(kernelPid()).toBe(pid)
    expect((await ask('still there?')).content).toBe(goodAnswer)
    return stderr
  }

  test('does not get to take over, and the command says why', { timeout: testMs }, async () => {
    install = copyInstall()
    keel = await startDaemon({ config: config(), install: install.root })
    const pid = kernelPid()
    const strangers = startStrangers(keel, 2)

    writeFileSync(home().config, 'agent = 7\n')
    expect(await refused()).toMatch(
      new RegExp(`^The new kernel could not take over, process ${pid} goes on as before: .*agent.*\\n$`),
    )
    writeFileSync(home().config, config())

    const main = readFileSync(join(install.root, 'kernel/main.ts'), 'utf8')
    edit('kernel/main.ts', (text) => `${text}\nimport './gone.ts'\n`)
    expect(await refused()).toMatch(/goes on as before: .*gone\.ts/)
    edit('kernel/main.ts', () => main)

    edit('kernel/cli/keel.mjs', (text) => text.replace('const oldest = 24', 'const oldest = 99'))
    expect(await refused()).toMatch(/goes on as before: Keel needs Node 99 or newer/)
    edit('kernel/cli/keel.mjs', (text) => text.replace('const oldest = 99', 'const oldest = 24'))

    install.breakService('agent')
    expect(await refused()).toMatch(/goes on as before: .*agent/)
    install.mendService('agent')

    const { from_pid } = await upgrade()
    expect(from_pid).toBe(pid)
    expect((await ask('and now?')).content).toBe(goodAnswer)
    await strangers.stop()
    expect(strangers.failures).toEqual([])
    expect(keel.output()).toMatch(/a new kernel could not take over; this one goes on/)
  })

  test('fails when everything is closed already: the old one opens it again', { timeout: testMs }, async () => {
    install = copyInstall()
    keel = await startDaemon({ config: config(), install: install.root })
    await ask('so that there is something to migrate')
    const strangers = startStrangers(keel, 2)

    const migrate = readFileSync(join(install.root, 'kernel/store/migrate.ts'), 'utf8')
    const broken = `{ version: 9990, name: 'fails-on-data', up(db) { db.exec('CREATE TABLE half (id TEXT)'); if (db.prepare('SELECT 1 FROM turns').get()) throw new Error('no such luck') } },\n]`
    edit('kernel/store/migrate.ts', (text) => text.replace('\n]\n', `\n${broken}\n`))
    expect(await refused()).toMatch(/goes on as before: .*no such luck/)
    edit('kernel/store/migrate.ts', () => migrate)

    const die = '    if (predecessor) process.kill(process.pid, "SIGKILL")\n'
    const main = readFileSync(join(install.root, 'kernel/main.ts'), 'utf8')
    edit('kernel/main.ts', (text) => text.replace('    const { bind, port }', `${die}$&`))
    expect(await refused()).toMatch(/goes on as before: it was ended by SIGKILL/)
    edit('kernel/main.ts', () => main)

    // The second time the old kernel is one that has taken over itself.
    await upgrade()
    edit('kernel/main.ts', (text) => text.replace('    const { bind, port }', `${die}$&`))
    expect(await refused()).toMatch(/goes on as before: it was ended by SIGKILL/)
    await strangers.stop()
    expect(strangers.failures).toEqual([])
  })

  test('fails after it has changed the database: another new one is started', { timeout: testMs }, async () => {
    install = copyInstall()
    keel = await startDaemon({ config: config(), install: install.root })
    const strangers = startStrangers(keel, 2)
    edit('kernel/store/migrate.ts', (text) =>
      text.replace('\n]\n', `\n{ version: 9990, name: 'nothing', up() {} },\n]\n`),
    )
    const once = join(install.root, 'once')
    writeFileSync(once, '')
    const die = `if (predecessor && existsSync('${once}')) { rmSync('${once}'); process.kill(process.pid, 'SIGKILL') }\n`
    edit('kernel/main.ts', (text) =>
      text.replace('    const { bind, port }', `${die}$&`).concat(`import { existsSync, rmSync } from 'node:fs'\n`),
    )
    const { pid, from_pid } = await upgrade()
    expect(from_pid).toBe(keel.pid)
    expect(kernelPid()).toBe(pid)
    expect((await ask('well?')).content).toBe(goodAnswer)
    await strangers.stop()
    expect(strangers.failures).toEqual([])
  })
})

describe('processes', () => {
  const all = () => [install?.root ?? '', keel.home].flatMap(processesNaming)

  test('after any number of upgrades there is one kernel, and the first process ends with it', {
    timeout: testMs,
  }, async () => {
    install = copyInstall()
    keel = await startDaemon({ config: config(), install: install.root, ownGroup: true })
    const gone: number[] = []
    for (let n = 0; n < 2; n++) gone.push((await upgrade()).from_pid)
    await eventually(
      'the services of the last',
      () => all().filter(({ command }) => /services/.test(command)).length === 4,
    )
    await eventually('earlier kernels are gone', () => gone.slice(1).every((pid) => !isAlive(pid)))
    const kernels = () => all().filter(({ command }) => /keel\.mjs/.test(command))
    expect(new Set(kernels().map(({ pid }) => pid))).toEqual(new Set([keel.pid, kernelPid()]))
    expect((await keel.client.health.getHealth()).uptime_seconds).toBeLessThan(60)
    expect((await cli('status', '--json')).stdout).toContain(`"pid":${kernelPid()}`)

    // Ctrl-C reaches every process of the group.
    process.kill(-keel.pid, 'SIGINT')
    expect(await keel.ended).toBe(0)
    await eventually('nothing is left', () => all().length === 0)
    expect((await cli('stop')).stdout).toContain('does not run')
  })

  test('in the background the first process leaves, and stop works', { timeout: testMs }, async () => {
    install = copyInstall()
    keel = await startDaemon({ config: config(), install: install.root })
    expect(await keel.stop()).toBe(0)
    const env = { ...process.env, KEEL_PORT: '0' }
    expect((await runKeel(['start', '--detach', '--home', keel.home], { env })).code).toBe(0)
    const first = kernelPid() ?? 0
    const second = (await upgrade()).pid
    await eventually('the first is gone', () => !isAlive(first))
    const third = (await upgrade()).pid
    await eventually('the second is gone', () => !isAlive(second))
    expect(kernelPid()).toBe(third)
    expect((await cli('stop')).code).toBe(0)
    await eventually('the third is gone', () => !isAlive(third))
  })

  test('a kernel that is killed takes the first process with it, and that one the kernel', {
    timeout: testMs,
  }, async () => {
    keel = await startDaemon({ config: config() })
    process.kill((await upgrade()).pid, 'SIGKILL')
    expect(await keel.ended).toBe(128 + 9)
    await keel.dispose()

    keel = await startDaemon({ config: config() })
    const { pid } = await upgrade()
    process.kill(keel.pid, 'SIGKILL')
    await eventually('the kernel ends', () => !isAlive(pid))
    expect(kernelPid()).toBeUndefined()
  })

  test('a stop in the middle of a handover ends everything', { timeout: testMs }, async () => {
    keel = await startDaemon({ config: config() })
    await upgrade()
    upstream.script({ text: 'too late', delayMs: 60_000 })
    const cut = ask('long').catch((error: unknown) => error)
    await upstream.received(1)
    const asked = cli('upgrade')
    await eventually('it drains', () => findHandover(home())?.state === 'draining', handoverMs)
    expect((await cli('stop')).code).toBe(0)
    expect(await keel.ended).toBe(0)
    expect((await asked).code).toBe(1)
    await cut
    expect(kernelPid()).toBeUndefined()
  })
})
