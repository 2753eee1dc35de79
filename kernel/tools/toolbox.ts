import { createHash } from 'node:crypto'
import { riskAllowed } from '#kernel/policy/authority.ts'
import { isNamed } from '#kernel/policy/name-pattern.ts'
import type { Authority, TurnJob } from '#sdk/services/agent.ts'
import type { Tool } from './tool.ts'

/** What one turn's model is offered at the most. */
const maxOffered = 128
/** What models take as a tool's name. */
const maxNameLength = 64
const digestLength = 8

export interface Toolbox {
  list(): Tool[]
  find(name: string): Tool | undefined
  /** A plugin's tool by the name that it has there. */
  findOf(plugin: string, tool: string): Tool | undefined
}

/** All tools under names of which each stands for one: Keel's own keep theirs, guests that would share one are told apart. */
export function openToolbox(sources: readonly (() => readonly Tool[])[]): Toolbox {
  const list = () => distinct(sources.flatMap((tools) => tools()))
  return {
    list,
    find: (name) => list().find((tool) => tool.name === name),
    findOf: (plugin, name) =>
      list().find(({ source }) => source.kind === 'plugin' && source.plugin === plugin && source.tool === name),
  }
}

function distinct(tools: readonly Tool[]): Tool[] {
  const uses = new Map<string, number>()
  for (const { name } of tools) uses.set(name, (uses.get(name) ?? 0) + 1)
  const named = tools.map((tool) => {
    if (tool.source.kind !== 'plugin') return tool
    // No plugin may call its tool what another's would be called.
    const isShared = (uses.get(tool.name) ?? 0) > 1 || tool.name.includes('__')
    return isShared ? { ...tool, name: longName(tool.source) } : tool
  })
  const taken = new Set<string>()
  return named.filter(({ name }) => !taken.has(name) && taken.add(name))
}

/** A plugin's name has no `_`, so this leads to one plugin alone. */
function longName({ plugin, tool }: { plugin: string; tool: string }): string {
  const name = `${plugin}__${tool}`
  if (name.length <= maxNameLength) return name
  const digest = createHash('sha256').update(name).digest('hex').slice(0, digestLength)
  return `${name.slice(0, maxNameLength - digestLength - 1)}-${digest}`
}

/**
 * The tools whose risk this authority may take, as a model is told of them, and which are kept from it; the policy still
 * judges each call.
 */
export function toolsFor(
  toolbox: Toolbox,
  authority: Authority,
  blocked: readonly string[],
): Pick<TurnJob, 'tools' | 'tool_origins' | 'withheld_tools'> {
  const offered: Tool[] = []
  const withheld_tools: TurnJob['withheld_tools'] = []
  for (const tool of toolbox.list()) {
    if (tool.hidden) continue
    const reason = whyWithheld(tool, authority, blocked) ?? (offered.length < maxOffered ? null : 'limit')
    if (reason === null) offered.push(tool)
    else withheld_tools.push({ name: tool.name, reason })
  }
  return { tools: offered.map(definitionOf), tool_origins: originsOf(offered), withheld_tools }
}

export function definitionOf({ name, description, parameters }: Tool): TurnJob['tools'][number] {
  return { name, description, parameters }
}

function whyWithheld({ name, source, risk }: Tool, authority: Authority, blocked: readonly string[]) {
  const names = source.kind === 'plugin' ? [name, source.tool] : [name]
  if (names.some((known) => isNamed(known, blocked))) return 'blocked'
  return riskAllowed(authority, risk) ? null : 'authority'
}

function originsOf(tools: readonly Tool[]): Record<string, string> {
  const brought = tools.flatMap(({ name, source }) => {
    if (source.kind === 'builtin') return []
    return [[name, source.kind === 'plugin' ? source.plugin : source.name] as const]
  })
  return Object.fromEntries(brought)
}
