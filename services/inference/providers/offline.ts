import { type ModelMessage, type ToolDefinition, textOf } from '#sdk/messages.ts'
import { offlineCommands } from './offline-commands.ts'
import { rememberedFor } from './offline-memory.ts'
import type { ProviderCall, UpstreamDelta } from './provider-call.ts'

const maxShownOutputChars = 4_000

/** The built-in model. It is no language model and says so: it knows a few commands and how to add a real one. */
export async function* offlineProvider({ request, signal }: ProviderCall): AsyncGenerator<UpstreamDelta> {
  const last = request.messages.at(-1)
  if (last?.role === 'tool') {
    yield* spoken(toolReport(request.messages), signal)
    return
  }
  const user = request.messages.findLast(({ role }) => role === 'user')
  const text = user ? textOf(user.content).trim() : ''
  const command = commandIn(text)
  if (!command) {
    const remembered = user ? rememberedFor(user, request.messages) : []
    yield* spoken(isHelp(text) ? help(request.tools) : introduction(remembered), signal)
    return
  }
  const { name, rest } = command
  if (name === 'help') {
    yield* spoken(help(request.tools), signal)
    return
  }
  const known = offlineCommands.find((one) => one.name === name)
  if (!known) {
    yield* spoken(`I do not know the command /${name}. ${help(request.tools)}`, signal)
    return
  }
  const tool = request.tools.find((one) => one.name === known.tool)
  if (!tool) {
    yield* spoken(`The tool ${known.tool} is not available here, so /${name} can not run.`, signal)
    return
  }
  const input = await known.read(rest, tool)
  if (input === undefined) {
    yield* spoken(`Usage: ${known.usage}`, signal)
    return
  }
  const id = `offline_${request.messages.length}`
  yield { type: 'tool_call', index: 0, id, name: known.tool, arguments_delta: JSON.stringify(input) }
  yield { type: 'finish', reason: 'tool_calls' }
}

/** What is to be run, where the text says so by a slash or asks for a reminder in plain words. */
function commandIn(text: string): { name: string; rest: string } | undefined {
  const [, name, rest = ''] = /^\/([a-z_]+)(?:\s+([\s\S]*))?$/i.exec(text) ?? []
  if (name !== undefined) return { name: name.toLowerCase(), rest: rest.trim() }
  const [, request] = /^(?:please,?\s+)?remind\s+me\b[\s,:]*([\s\S]*)$/i.exec(text) ?? []
  if (request === undefined) return undefined
  return { name: 'remind', rest: request.trim() }
}

/** Word by word, as a model speaks, so that clients that stream are used in earnest. */
function* spoken(text: string, signal: AbortSignal): Generator<UpstreamDelta> {
  for (const [delta] of text.matchAll(/\s*\S+\s*$|\s*\S+/g)) {
    signal.throwIfAborted()
    yield { type: 'text', delta }
  }
  yield { type: 'finish', reason: 'stop' }
}

const addingProvider = `To add one, either
- run \`keel provider add NAME\` in a terminal,
- send its key to PUT /api/providers/NAME/key, or
- add a [providers.NAME] section with a url and a format to keel.toml.
Then set \`primary = "NAME/MODEL"\` under [models].`

function introduction(remembered: readonly string[]): string {
  const memories =
    remembered.length === 0
      ? ''
      : `This is what I remember that has words in common with what you wrote:\n${remembered.join('\n')}\n\n`
  return `${memories}I am keel/offline, the built-in stand-in, and no language model: I can not hold a conversation. No model provider is in use yet.
${addingProvider}
Meanwhile I run commands; /help lists them.`
}

function isHelp(text: string): boolean {
  return /^(help|\?|hilfe|what can you do)\b/i.test(text)
}

function help(tools: ToolDefinition[]): string {
  const offered = offlineCommands.filter(({ tool }) => tools.some(({ name }) => name === tool))
  const list = offered.map(({ usage, does }) => `- ${usage}: ${does}`).join('\n')
  const commands = list === '' ? 'No tool is available here, so there is no command to run.' : `Commands:\n${list}`
  return `I am keel/offline, the built-in stand-in, and no language model.\n${commands}\n${addingProvider}`
}

/** What the tools that were just called have said, in sentences. */
function toolReport(messages: ModelMessage[]): string {
  const start = messages.findLastIndex(({ role }) => role !== 'tool')
  const calls = messages[start]?.tool_calls ?? []
  const reports = messages.slice(start + 1).map(({ content, tool_call_id: id }) => {
    const tool = calls.find((call) => call.id === id)?.name ?? 'the tool'
    const { status, output } = toolOutcome(textOf(content))
    const shown = output.length > maxShownOutputChars ? `${output.slice(0, maxShownOutputChars)} …` : output
    if (status !== null && status !== 'success')
      return `${tool} did not succeed (${status.replaceAll('_', ' ')}): ${shown}`
    return shown === '' ? `I ran ${tool}; it had nothing to say.` : `I ran ${tool}, and it says: ${shown}`
  })
  return reports.join('\n\n')
}

/** The agent says how a call ended and marks what it brought as untrusted, for models; a person wants the output. */
function toolOutcome(text: string): { status: string | null; output: string } {
  const status = /^[\w-]+: (success|partial_success|error|denied|unknown|awaiting_approval)$/m.exec(text)
  const rest = status ? text.slice(status.index + status[0].length) : text
  return {
    status: status?.[1] ?? null,
    output: rest.replaceAll(/^\[(?:end of )?untrusted data[^\]\n]*\]\n?/gm, '').trim(),
  }
}
