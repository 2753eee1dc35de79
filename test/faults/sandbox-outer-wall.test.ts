import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sandboxFlags } from '#kernel/plugins/sandbox-spec.ts'
import { startSandbox } from '../support/sandbox-service.ts'

/*
 * A guest that has broken out of its isolate is in a process that can do nothing either: the same flags, with the
 * hostile code as the process's own.
 */

/** Refused by the permissions; or there is no such thing in this process. */
const refusal =
  /^(ERR_ACCESS_DENIED|ERR_INSPECTOR\w+|ERR_UNKNOWN_BUILTIN_MODULE|process\.\w+ is not a function|WebSocket is not defined)$/

const serviceFolder = new URL('../../services/sandbox/', import.meta.url).pathname
const repository = new URL('../../', import.meta.url).pathname

let folder: string
let canary: Server
let visitors = 0
let port: number
let results: Record<string, string>

/** Each is the body of an async function in the broken process; what it returns is what it got. */
const attempts = (): Record<string, string> => ({
  'reads a file elsewhere': `return (await import('node:fs')).readFileSync('${folder}/secret', 'utf8')`,
  'reads a file elsewhere by promise': `return await (await import('node:fs/promises')).readFile('${folder}/secret', 'utf8')`,
  'reads the password file': `return (await import('node:fs')).readFileSync('/etc/passwd', 'utf8')`,
  'reads its own environment from /proc': `return (await import('node:fs')).readFileSync('/proc/self/environ', 'utf8')`,
  'lists a folder': `return (await import('node:fs')).readdirSync('${folder}')`,
  'reads the kernel': `return (await import('node:fs')).readFileSync('${repository}kernel/main.ts', 'utf8')`,
  'leaves its folder by dots': `return (await import('node:fs')).readFileSync('${serviceFolder}../../kernel/main.ts', 'utf8')`,
  'imports the kernel': `return await import('${repository}kernel/main.ts')`,
  'imports a file elsewhere': `return await import('${folder}/module.mjs')`,
  'writes a file elsewhere': `return (await import('node:fs')).writeFileSync('${folder}/written', 'x')`,
  'writes its own code': `return (await import('node:fs')).writeFileSync('${serviceFolder}written.ts', 'x')`,
  'makes a link': `return (await import('node:fs')).symlinkSync('${folder}/secret', '${folder}/link')`,
  'opens a database': `return new (await import('node:sqlite')).DatabaseSync('${folder}/data.db')`,
  'connects to a port': `const socket = (await import('node:net')).connect(${port}, '127.0.0.1')
    return await new Promise((go, fail) => { socket.on('connect', () => go('connected')); socket.on('error', fail) })`,
  fetches: `return (await fetch('http://127.0.0.1:${port}/')).status`,
  'opens a WebSocket': `return new WebSocket('ws://127.0.0.1:${port}/')`,
  'asks for a name': `return await (await import('node:dns/promises')).lookup('localhost')`,
  'asks a server for a name': `return await (await import('node:dns/promises')).resolve4('example.com')`,
  'sends a datagram': `const socket = (await import('node:dgram')).createSocket('udp4')
    return await new Promise((go, fail) => { socket.on('error', fail); socket.send('x', ${port}, '127.0.0.1', (error) => (error ? fail(error) : go('sent'))) })`,
  listens: `const server = (await import('node:net')).createServer()
    return await new Promise((go, fail) => { process.once('uncaughtException', fail); server.listen(0, '127.0.0.1', () => go('listens')) })`,
  'starts a process': `return (await import('node:child_process')).execFileSync('/bin/true')`,
  'starts a process by spawn': `const child = (await import('node:child_process')).spawn('/bin/true')
    return await new Promise((go, fail) => { child.on('spawn', () => go('spawned')); child.on('error', fail) })`,
  'becomes another process': `return process.execve('/bin/true', ['true'], {})`,
  'starts a thread': `return new (await import('node:worker_threads')).Worker('1', { eval: true })`,
  'opens the inspector': `return (await import('node:inspector')).open(0)`,
  'attaches an inspector': `return new (await import('node:inspector')).Session().connect()`,
  'reaches for internals': `return process.binding('fs')`,
  'sends a signal to its parent': 'return process.kill(process.ppid, 0)',
  'sends a signal by another name': 'return process._kill(process.ppid, 0)',
  'wakes the inspector of its parent': 'return process._debugProcess(process.ppid)',
  'loads an add-on from elsewhere': `return process.dlopen({ exports: {} }, '${folder}/addon.node')`,
})

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keel-outer-'))
  writeFileSync(join(folder, 'secret'), 'the secret')
  writeFileSync(join(folder, 'module.mjs'), 'export default 1')
  canary = createServer((socket) => {
    visitors++
    socket.destroy()
  })
  await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve))
  const address = canary.address()
  port = typeof address === 'object' && address ? address.port : 0
  const code = `(await import('${serviceFolder}seal-process.ts')).sealProcess()
    const results = { environment: JSON.stringify(process.env) }
    ${Object.entries(attempts())
      .map(
        ([name, body]) => `try { results[${JSON.stringify(name)}] = 'got ' + await (async () => { ${body} })() }
        catch (thrown) { results[${JSON.stringify(name)}] = String(thrown.code ?? thrown.cause?.code ?? thrown.message) }`,
      )
      .join('\n')}
    process.stdout.write(JSON.stringify(results), () => process.exit(0))`
  const flags = [...sandboxFlags(), '--input-type=module', '--eval', code]
  const { stdout } = await promisify(execFile)(process.execPath, flags, { env: {}, timeout: 20_000 })
  results = JSON.parse(stdout)
}, 25_000)

afterAll(async () => {
  await new Promise((resolve) => canary.close(resolve))
  rmSync(folder, { recursive: true, force: true })
})

test('everything that a process might do to others is refused', () => {
  const { environment, ...refused } = results
  expect(environment).toBe('{}')
  expect(Object.keys(refused)).toEqual(Object.keys(attempts()))
  const allowed = Object.entries(refused).filter(([, code]) => !refusal.test(code))
  expect(allowed).toEqual([])
})

test('nothing was written, and nobody was reached', () => {
  expect(readdirSync(folder).sort()).toEqual(['module.mjs', 'secret'])
  expect(readdirSync(serviceFolder)).not.toContain('written.ts')
  expect(visitors).toBe(0)
})

test('the service itself runs under these flags, with nothing in its environment', async () => {
  const { run, plugins, status } = startSandbox()
  plugins.any = `import { definePlugin, tool } from '@keel/sdk'
    export default definePlugin({ tools: { run: tool({ run: () => 'here' }) } })`
  expect(await run('any')).toMatchObject({ output: 'here' })
  const { readFileSync } = await import('node:fs')
  expect(readFileSync(`/proc/${status().pid}/environ`, 'utf8')).toBe('')
  const command = readFileSync(`/proc/${status().pid}/cmdline`, 'utf8').split('\0')
  for (const flag of sandboxFlags()) expect(command).toContain(flag)
})
