import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AgentAnswer } from '#sdk/contracts/agent.ts'
import { type Daemon, eventually, isAlive, startDaemon, upstreamConfig } from './daemon.ts'
import { startUpstream, type UpstreamRequest } from './upstream.ts'
import type { UpstreamReply } from './upstream-reply.ts'

/** A plugin that counts in its own store, so that a call that runs twice is seen. */
const tally = {
  'plugin.toml': `name = "tally"
version = "1.0.0"
permissions = ["kv"]

[[tools]]
name = "tally_add"
risk = "caution"

[[tools]]
name = "tally_read"
risk = "safe"

[[tools]]
name = "tally_wipe"
risk = "dangerous"
`,
  'plugin.js': `import { definePlugin, tool } from '@keel/sdk'
const sum = async (host) => Number((await host.kv.get('sum')) ?? 0)
export default definePlugin({
  tools: {
    tally_add: tool({
      async run({ input, host }) {
        await host.kv.set('sum', (await sum(host)) + input.by)
        return { sum: await sum(host) }
      },
    }),
    tally_read: tool({ run: async ({ host }) => ({ sum: await sum(host) }) }),
    tally_wipe: tool({ run: async ({ host }) => host.kv.delete('sum') }),
  },
})
`,
}

export type AskedAnswer = AgentAnswer & { request: string }

/** A Keel whose model has notes written, files read and a tally kept, as it is told, and then says what its tool told it. */
export async function openApprovalScene(approvals: string) {
  const home = mkdtempSync(join(tmpdir(), 'keel-home-'))
  mkdirSync(join(home, 'plugins', 'tally'), { recursive: true })
  for (const [name, text] of Object.entries(tally)) writeFileSync(join(home, 'plugins', 'tally', name), text)
  const upstream = await startUpstream(reply)
  const config = upstreamConfig(upstream.url, `[cache]\nenabled = false\n\n[approvals]\n${approvals}\n`)
  let keel: Daemon = await startDaemon({ home, config })
  let held: Promise<void> | undefined
  const frozen = new Set<number>()

  function reply(request: UpstreamRequest): UpstreamReply {
    const said = answerTo(request)
    return said.toolCalls || !held ? said : { ...said, until: held }
  }

  const scene = {
    get keel() {
      return keel
    },
    home,
    upstream,
    /** In a session of its own unless one is named; `request` is what its call waits for. */
    async ask(content: string, session_id?: string): Promise<AskedAnswer> {
      const { id } = session_id ? { id: session_id } : await keel.client.sessions.createSession({ body: {} })
      const answer = await keel.client.agent.sendMessage({ body: { content, session_id: id } })
      return { ...answer, request: answer.pending_approvals[0] ?? '' }
    },
    async lastAnswer(session_id: string): Promise<string> {
      const { messages } = await keel.client.sessions.listMessages({ params: { id: session_id } })
      return messages.at(-1)?.content ?? ''
    },
    /** Returns the answer of a turn that went on without its caller. */
    async told(session_id: string): Promise<string> {
      await eventually('the turn is over', async () => (await scene.lastAnswer(session_id)).startsWith('Told:'), 15_000)
      return scene.lastAnswer(session_id)
    },
    approve: (id: string, body = {}) => keel.client.approvals.approveRequest({ params: { id }, body }),
    deny: (id: string, body = {}) => keel.client.approvals.denyRequest({ params: { id }, body }),
    /** The model thinks about what its tools have told it until the returned function is called. */
    holdAnswers(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>()
      held = promise
      return () => {
        held = undefined
        resolve()
      }
    },
    async freeze(name: string): Promise<void> {
      const pid = await scene.pidOf(name)
      process.kill(pid, 'SIGSTOP')
      frozen.add(pid)
    },
    /** Those that are gone by now have nothing to go on with. */
    thawAll(): void {
      for (const pid of frozen) if (isAlive(pid)) process.kill(pid, 'SIGCONT')
      frozen.clear()
    },
    /** How often this was noted. */
    notes(note: string): number {
      const lines = readNotes(join(home, 'workspace', 'notes.txt')).split('\n')
      return lines.filter((line) => line === note).length
    },
    /** Ends the kernel like a failing machine, and starts another one on the same home. */
    async restart(): Promise<void> {
      await keel.stop('SIGKILL')
      await scene.start()
    },
    async start(): Promise<void> {
      keel = await startDaemon({ home })
    },
    /** The pid of a service that is there. */
    async pidOf(name: string): Promise<number> {
      const { services } = await keel.client.services.listServices()
      const pid = services.find((service) => service.name === name)?.pid
      if (!pid) throw new Error(`${name} has no process`)
      return pid
    },
    async killService(name: string): Promise<void> {
      const pid = await scene.pidOf(name)
      process.kill(pid, 'SIGKILL')
      await eventually(`${name} is gone`, async () => {
        const { services } = await keel.client.services.listServices()
        return services.every((service) => service.pid !== pid)
      })
    },
    async dispose(): Promise<void> {
      scene.thawAll()
      await keel.dispose()
      await upstream.close()
      rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
  return scene
}

export type ApprovalScene = Awaited<ReturnType<typeof openApprovalScene>>

function answerTo({ body }: UpstreamRequest): UpstreamReply {
  const { messages } = body as { messages: { role: string; content: string }[] }
  const last = messages.at(-1)
  if (last?.role === 'tool') return { text: `Told: ${last.content}` }
  const [, verb = '', what = ''] = /^(note|read|add) (.+)$/i.exec(last?.content ?? '') ?? []
  switch (verb.toLowerCase()) {
    case 'note':
      return call('write_file', { path: 'notes.txt', content: `${what}\n`, append: true })
    case 'read':
      return call('read_file', { path: what })
    case 'add':
      return call('tally_add', { by: Number(what) })
    default:
      return { text: 'Hello.' }
  }
}

function call(name: string, input: Record<string, unknown>): UpstreamReply {
  return { toolCalls: [{ name, arguments: JSON.stringify(input) }] }
}

function readNotes(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw thrown
  }
}
