import type { ToolDefinition } from '#sdk/messages.ts'

type CommandInput = Record<string, unknown> | undefined

export interface OfflineCommand {
  /** Without the slash. */
  name: string
  tool: string
  usage: string
  does: string
  /** The tool's input, or undefined when something is missing. */
  read: (rest: string, tool: ToolDefinition) => CommandInput | Promise<CommandInput>
}

export const offlineCommands: OfflineCommand[] = [
  {
    name: 'remember',
    tool: 'remember',
    usage: '/remember TEXT',
    does: 'keeps a fact',
    read: one('text', 'content', 'fact', 'memory'),
  },
  {
    name: 'recall',
    tool: 'recall',
    usage: '/recall QUESTION',
    does: 'searches the memory',
    read: one('query', 'q', 'question', 'text'),
  },
  {
    name: 'forget',
    tool: 'forget_memory',
    usage: '/forget ID',
    does: 'forgets a memory for good; /recall tells the ids',
    read: one('id'),
  },
  {
    name: 'remind',
    tool: 'schedule_reminder',
    usage: '/remind WHEN [TEXT]',
    does: 'sets a reminder; "remind me in two hours to …" does so too',
    read: readReminder,
  },
  { name: 'skill', tool: 'load_skill', usage: '/skill NAME', does: 'loads a skill', read: one('name', 'skill', 'id') },
  { name: 'read', tool: 'read_file', usage: '/read PATH', does: 'shows a file of the workspace', read: one('path') },
  {
    name: 'write',
    tool: 'write_file',
    usage: '/write PATH TEXT',
    does: 'writes a file of the workspace',
    read: readWrite,
  },
  {
    name: 'list',
    tool: 'list_directory',
    usage: '/list [PATH]',
    does: 'lists a folder of the workspace',
    read: readList,
  },
  {
    name: 'search',
    tool: 'search_files',
    usage: '/search TEXT',
    does: 'searches the workspace',
    read: one('query', 'text'),
  },
  { name: 'fetch', tool: 'http_get', usage: '/fetch URL', does: 'fetches a page', read: one('url') },
  { name: 'echo', tool: 'echo', usage: '/echo TEXT', does: 'repeats the text', read: one('message', 'text') },
]

/** The whole rest as the one parameter that the tool has under one of these names. */
function one(...names: string[]): OfflineCommand['read'] {
  return (rest, tool) => (rest === '' ? undefined : { [parameterName(tool, names)]: rest })
}

function readWrite(rest: string): Record<string, unknown> | undefined {
  const [path, content] = firstWord(rest)
  return path && content ? { path, content } : undefined
}

function readList(rest: string): Record<string, unknown> {
  return rest === '' ? {} : { path: rest }
}

async function readReminder(rest: string, tool: ToolDefinition): Promise<CommandInput> {
  // Most who ask the built-in model are not reminded of anything.
  const { splitReminder } = await import('./offline-reminder.ts')
  const reminder = splitReminder(rest)
  return (
    reminder && {
      [parameterName(tool, ['when', 'at', 'time', 'schedule', 'in'])]: reminder.when,
      [parameterName(tool, ['text', 'message', 'task', 'prompt', 'content'])]: reminder.text,
    }
  )
}

/** The first word, or what stands in quotes at the beginning, and the rest. */
function firstWord(text: string): [string, string] {
  const match = /^(?:"([^"]+)"|(\S+))(?:\s+([\s\S]*))?$/.exec(text)
  return [match?.[1] ?? match?.[2] ?? '', match?.[3]?.trim() ?? '']
}

/** The first of the names that the tool's schema has, else the first itself. */
function parameterName({ parameters }: ToolDefinition, names: [string, ...string[]] | string[]): string {
  const { properties } = parameters
  const known = typeof properties === 'object' && properties !== null ? Object.keys(properties) : []
  return names.find((name) => known.includes(name)) ?? names[0] ?? known[0] ?? 'text'
}
