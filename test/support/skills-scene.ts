import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Logger, pino } from 'pino'
import { onTestFinished } from 'vitest'
import { createEventBus, type EventBus } from '#kernel/events/bus.ts'
import { Skills } from '#kernel/skills/registry.ts'
import type { Store } from '#kernel/store/store.ts'
import { eventually } from './daemon.ts'
import { temporaryFolder, temporaryStore } from './temp-store.ts'

export interface SkillsScene {
  skills: Skills
  dir: string
  store: Store
  bus: EventBus
  /** As they were announced: `skills_changed` and `skill_failed`. */
  events: Record<string, unknown>[]
  /** What was logged, line by line. */
  log: Record<string, unknown>[]
  settings: { dir: string; hotReload: boolean; toolChains: boolean }
  /** Writes files below the skills folder. */
  write(files: Record<string, string>): void
  /** The names of the live skills. */
  names(): string[]
  /** Waits until the live registry is as wanted. */
  sees(what: string, fits: () => boolean): Promise<void>
  /** Another registry on the same folder and database, as after a new start. */
  restart(): Promise<Skills>
}

export function skillText(
  name: string,
  { description = `What ${name} does.`, body = 'Do it.', more = '' } = {},
): string {
  return `---\nname: ${name}\ndescription: ${description}\n${more}---\n${body}\n`
}

export function writeFiles(folder: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
}

/** The live registry on a folder of its own, closed with the test. */
export async function openSkills(
  files: Record<string, string> = {},
  change: Partial<SkillsScene['settings']> = {},
): Promise<SkillsScene> {
  const dir = temporaryFolder()
  writeFiles(dir, files)
  const { store } = temporaryStore()
  const { log, lines } = keptLog()
  const bus: EventBus = createEventBus({ db: store.write, log })
  const events: Record<string, unknown>[] = []
  bus.subscribe((event) => void events.push(JSON.parse(event.text)))
  const settings = { dir, hotReload: false, toolChains: false, ...change }
  const open = async () => {
    const opened = await Skills.open({ store, bus, log, settings: () => settings })
    onTestFinished(() => opened.close())
    return opened
  }
  onTestFinished(() => bus.close())
  const skills = await open()
  return {
    skills,
    dir,
    store,
    bus,
    events,
    log: lines,
    settings,
    write: (more) => writeFiles(dir, more),
    names: () => skills.list().map(({ name }) => name),
    sees: (what, fits) => eventually(what, fits),
    restart: open,
  }
}

function keptLog(): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  return { log: pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) }), lines }
}
