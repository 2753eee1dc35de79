import { definePlugin, type Host, tool, z } from '@keel/sdk'

const level = z.enum(['info', 'good', 'warning', 'bad'])
const subject = z.string().trim().min(1).max(80)

interface Note {
  subject: string
  text: string
  level: z.infer<typeof level>
  /** Milliseconds since 1970. */
  at: number
}

const prefix = 'note/'

async function notesOf(host: Host): Promise<Note[]> {
  const keys = await host.kv.list(prefix)
  const notes = await Promise.all(keys.map(async (key) => (await host.kv.get(key)) as Note))
  return notes.sort((left, right) => right.at - left.at)
}

const keyOf = (name: string) => prefix + name.toLowerCase()

export default definePlugin({
  tools: {
    board_post: tool({
      input: z.object({ subject, text: z.string().max(500), level: level.default('info') }),
      async run({ input, settings, host }) {
        await host.kv.set(keyOf(input.subject), { ...input, at: Date.now() })
        const notes = await notesOf(host)
        for (const note of notes.slice(Number(settings.keep))) await host.kv.delete(keyOf(note.subject))
        return { posted: input.subject, notes: Math.min(notes.length, Number(settings.keep)) }
      },
    }),

    board_list: tool({
      input: z.object({ level: level.optional() }),
      async run({ input, settings, host }) {
        const notes = await notesOf(host)
        return { title: settings.title, notes: notes.filter((note) => !input.level || note.level === input.level) }
      },
    }),

    board_remove: tool({
      input: z.object({ subject }),
      async run({ input, host }) {
        return { removed: await host.kv.delete(keyOf(input.subject)) }
      },
    }),
  },
})
