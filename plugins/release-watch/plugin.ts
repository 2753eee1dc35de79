import { definePlugin, type Host, tool, z } from '@keel/sdk'
import { latestRelease, type Release } from './github.ts'

const maxProjects = 50
const seenPrefix = 'seen/'

const project = z.string().regex(/^[A-Za-z0-9-]{1,39}\/(?!\.{1,2}$)[\w.-]{1,100}$/, 'expected owner/name')
const projects = z.object({ projects: z.array(project).min(1).max(maxProjects) })

async function watched(host: Host): Promise<string[]> {
  return ((await host.kv.get('projects')) as string[] | null) ?? []
}

export default definePlugin({
  tools: {
    watch_releases: tool({
      input: projects,
      async run({ input, host }) {
        const all = [...new Set([...(await watched(host)), ...input.projects])].sort()
        if (all.length > maxProjects) throw new Error(`At most ${maxProjects} projects can be watched`)
        await host.kv.set('projects', all)
        return { watched: all }
      },
    }),

    unwatch_releases: tool({
      input: projects,
      async run({ input, host }) {
        const left = (await watched(host)).filter((name) => !input.projects.includes(name))
        await host.kv.set('projects', left)
        for (const name of input.projects) await host.kv.delete(seenPrefix + name)
        return { watched: left }
      },
    }),

    new_releases: tool({
      input: z.object({}),
      async run({ host, settings, progress, signal }) {
        const names = await watched(host)
        const fresh: (Release & { project: string })[] = []
        const failed: { project: string; reason: string }[] = []
        for (const [index, name] of names.entries()) {
          signal.throwIfAborted()
          progress(`Asking for ${name}`, index / names.length)
          try {
            const release = await latestRelease(name, host, settings.include_prereleases === true)
            if (!release || (await host.kv.get(seenPrefix + name)) === release.tag) continue
            await host.kv.set(seenPrefix + name, release.tag)
            fresh.push({ project: name, ...release })
          } catch (thrown) {
            failed.push({ project: name, reason: thrown instanceof Error ? thrown.message : String(thrown) })
          }
        }
        await host.log.info('asked for releases', {
          projects: names.length,
          fresh: fresh.length,
          failed: failed.length,
        })
        return { new: fresh, failed, watched: names.length }
      },
    }),
  },
})
