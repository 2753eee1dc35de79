import { createInterface, type Interface } from 'node:readline/promises'
import type { AgentStreamEvent } from '#sdk/contracts/agent.ts'
import { isErrorOf } from '#sdk/errors.ts'
import { terminalLine } from '../logs/terminal-text.ts'
import type { CliSession } from './connection.ts'
import { failureText } from './failure.ts'
import { visibleJson } from './visible-json.ts'

export interface ChatOptions {
  session?: string
}

/** A conversation: one line is one message. Given words are the only message. Returns the exit code. */
export async function chat(cli: CliSession, words: readonly string[], { session }: ChatOptions): Promise<number> {
  const conversation = new Conversation(cli, session)
  if (words.length > 0) return (await conversation.say(words.join(' '))) ? 0 : 1

  const { io, out } = cli
  const isTerminal = io.stdin.isTTY === true && !out.json
  const lines = createInterface({
    input: io.stdin,
    ...(isTerminal && { output: io.stdout }),
    terminal: isTerminal,
    signal: io.signal,
    prompt: isTerminal ? out.style('bold', '› ') : '',
  })
  conversation.asker = isTerminal ? lines : undefined
  // Ctrl-C ends the answer that is being given, and with none the conversation.
  lines.on('SIGINT', () => conversation.interrupt() || lines.close())
  if (isTerminal)
    out.line(
      out.style('dim', 'One line is one message. /quit ends, /new begins another session, /help asks the agent.'),
    )
  let failed = false
  let ended = false
  lines.once('close', () => {
    ended = true
  })
  const prompt = () => {
    if (isTerminal && !ended) lines.prompt()
  }
  prompt()
  for await (const line of lines) {
    const message = line.trim()
    if (message === '/quit' || message === '/exit') break
    if (message === '/new') conversation.begin()
    else if (message !== '' && !(await conversation.say(message))) failed = true
    prompt()
  }
  // After Ctrl-C or Ctrl-D the prompt still stands on the line.
  if (isTerminal && ended) out.line()
  lines.close()
  return failed && !isTerminal ? 1 : 0
}

class Conversation {
  asker: Interface | undefined
  readonly #cli: CliSession
  #session: string | undefined
  #answering: AbortController | undefined
  /** What of the present answer stands on the screen. */
  #shown = ''
  #column = 0

  constructor(cli: CliSession, session: string | undefined) {
    this.#cli = cli
    this.#session = session
  }

  begin(): void {
    this.#session = undefined
    this.#cli.out.line('A new session begins with the next message.')
  }

  /** True when there was an answer to interrupt. */
  interrupt(): boolean {
    this.#answering?.abort()
    return this.#answering !== undefined
  }

  /** Sends the message and shows the answer as it comes; false when there was none. */
  async say(content: string): Promise<boolean> {
    const { client, io, out } = this.#cli
    this.#answering = new AbortController()
    const signal = AbortSignal.any([this.#answering.signal, io.signal])
    let answered = false
    try {
      const body = { content, ...(this.#session !== undefined && { session_id: this.#session }) }
      for await (const event of client.agent.streamMessage.stream({ body, signal })) {
        if (event.type === 'stream_start') this.#session = event.session_id
        if (event.type === 'stream_end') answered = true
        if (out.json) out.line(JSON.stringify(event))
        else await this.#show(event)
      }
    } catch (thrown) {
      this.#freshLine()
      out.note(signal.aborted ? '(interrupted)' : failureText(thrown))
    } finally {
      this.#answering = undefined
    }
    return answered
  }

  async #show(event: AgentStreamEvent): Promise<void> {
    const { out } = this.#cli
    switch (event.type) {
      case 'stream_start':
        this.#column = 0
        this.#shown = ''
        break
      case 'chunk':
        this.#write(event.delta)
        break
      case 'tool_call':
        this.#aside(`→ ${event.tool_name}`)
        break
      case 'tool_result':
        this.#aside(
          `← ${event.tool_name}: ${event.status}${event.duration_ms === null ? '' : `, ${Math.round(event.duration_ms)} ms`}`,
        )
        break
      case 'approval_required':
        await this.#askApproval(event)
        break
      case 'content_replaced':
        this.#aside('(the answer so far is replaced)')
        this.#shown = ''
        this.#write(event.content)
        break
      case 'stream_blocked':
        this.#aside(`(the answer was held back: ${event.reason})`)
        break
      case 'error':
        this.#freshLine()
        out.note(event.error)
        break
      case 'stream_end':
        if (this.#shown === '' && !event.content_blocked) this.#write(event.content)
        this.#freshLine()
        if (this.asker) out.line(out.style('dim', terminalLine(endNote(event))))
    }
  }

  #write(text: string): void {
    if (text === '') return
    this.#cli.out.raw(text)
    this.#shown += text
    this.#column = text.endsWith('\n') ? 0 : 1
  }

  #freshLine(): void {
    if (this.#column > 0) this.#cli.out.line()
    this.#column = 0
  }

  #aside(text: string): void {
    const { out } = this.#cli
    this.#freshLine()
    out.line(out.style('dim', terminalLine(text)))
  }

  /** What is approved is shown in full, and only an explicit yes approves it. */
  async #askApproval(event: Extract<AgentStreamEvent, { type: 'approval_required' }>): Promise<void> {
    const { client, io, out } = this.#cli
    this.#freshLine()
    out.line(
      out.style('yellow', terminalLine(`${event.tool_name} needs your approval: ${visibleJson(event.input ?? {})}`)),
    )
    if (!this.asker) {
      out.note(`Decide with: keel approvals approve ${event.request_id} (or deny)`)
      return
    }
    const answer = await this.asker.question('Allow it? [y/N] ', { signal: io.signal })
    const decision = { params: { id: event.request_id }, body: { decided_by: 'cli' } }
    try {
      if (/^y(es)?$/i.test(answer.trim())) await client.approvals.approveRequest(decision)
      else await client.approvals.denyRequest(decision)
    } catch (thrown) {
      // Somebody else, or the time's end, was faster; the turn goes on with that.
      if (!isErrorOf(thrown, 'conflict')) throw thrown
      out.note(thrown.message)
    }
  }
}

function endNote(event: Extract<AgentStreamEvent, { type: 'stream_end' }>): string {
  const cost = event.cost > 0 ? `, $${event.cost.toFixed(4)}` : ''
  return `${event.model}, ${event.tokens_in} + ${event.tokens_out} tokens${cost}${event.cached ? ', cached' : ''}`
}
