import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Daemon } from '../support/daemon.ts'
import { type Guest, reloadBench } from './reloads.ts'

const text = (version: number) => `---
name: counter
description: Version ${version} of a skill that tells its version.
---

# Counter

Say ${version}, and nothing else.
`

export const skillReload = reloadBench('a skill saved again and again while two callers read it over HTTP', skillOf)

function skillOf({ home, pid, client }: Daemon): Guest {
  const folder = join(home, 'skills', 'counter')
  const save = (version: number) => writeFileSync(join(folder, 'SKILL.md'), text(version))
  mkdirSync(folder, { recursive: true })
  save(1)
  let id: string | undefined
  return {
    save,
    async ask() {
      const { skills } = id === undefined ? await client.skills.listSkills() : { skills: [] }
      id ??= skills.find(({ name }) => name === 'counter')?.id
      if (id === undefined) throw new Error('the skill is not listed')
      const { description } = await client.skills.getSkill({ params: { id } })
      return Number(/\d+/.exec(description ?? '')?.[0])
    },
    processes: async () => ({ kernel: pid }),
  }
}
