import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Logger } from 'pino'
import type { EventBus } from '#kernel/events/bus.ts'
import { type EntryWatch, watchEntries } from '#kernel/guests/watch-entries.ts'
import {
  deleteSkillRow,
  findSkillRow,
  listSkillRows,
  type SkillRow,
  saveLoadedSkill,
  setSkillEnabled,
  setTrustedHash,
} from '#kernel/store/skills.ts'
import type { Store } from '#kernel/store/store.ts'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { unfinishedReason } from '#sdk/skill.ts'
import { BrokenPlaces, NameTaken } from './broken-places.ts'
import { isBuiltin } from './builtin.ts'
import { cleanStaging } from './catalog/install-skills.ts'
import { type LiveSkill, loadedRow, toSkill } from './live-skill.ts'
import { matchSkills, prepareMatcher, type SkillMatch } from './match.ts'
import { readSkill } from './read-skill.ts'
import { isUsable, type Skill, type SkillSource } from './skill.ts'
import { listEntries, skillsIn } from './skill-entries.ts'
import { discard } from './trash.ts'

/** Entries of the skills folder that are read at the most. */
const maxEntries = 5_000

export interface SkillReload {
  scanned: number
  added: number
  updated: number
  rejected: number
  unchanged: number
  removed: number
  issues: string[]
}

interface SkillsDeps {
  store: Store
  bus: EventBus
  log: Logger
  settings: () => { dir: string; hotReload: boolean; toolChains: boolean }
}

/** Where a file changed what is known. */
type Outcome = 'added' | 'updated' | 'unchanged' | 'rejected' | 'removed'

interface Reading {
  outcome: Outcome
  names: string[]
  issue?: string
}

/** The live skills: what their folder holds, each as it was when it was last whole. */
export class Skills {
  readonly #deps: SkillsDeps
  /** By name. */
  readonly #live = new Map<string, LiveSkill>()
  readonly #broken: BrokenPlaces
  #dir = ''
  #watch: EntryWatch | undefined
  #work: Promise<unknown> = Promise.resolve()

  private constructor(deps: SkillsDeps) {
    this.#deps = deps
    this.#broken = new BrokenPlaces(deps.store)
  }

  static async open(deps: SkillsDeps): Promise<Skills> {
    const skills = new Skills(deps)
    await skills.follow()
    return skills
  }

  /** Absolute, after links. */
  get dir(): string {
    return this.#dir
  }

  /** Takes up a changed configuration: another folder, watching or not. */
  async follow(): Promise<void> {
    const { settings, log } = this.#deps
    const { dir, hotReload } = settings()
    if (!existsSync(dir)) mkdirSync(dir, { recursive: true, mode: 0o700 })
    const real = realpathSync(dir)
    if (real !== this.#dir || !hotReload) {
      await this.#watch?.close()
      this.#watch = undefined
    }
    const isOther = real !== this.#dir
    if (isOther) {
      await cleanStaging(real)
      this.#dir = real
      this.#live.clear()
      this.#broken.clear()
    }
    const beginsToWatch = hotReload && !this.#watch
    if (beginsToWatch) {
      this.#watch = watchEntries(real, {
        onChange: (entry) => this.#entryChanged(entry),
        onError: (err) => log.warn({ err }, 'the skills folder could not be watched'),
      })
      // What is saved while the folder is read is seen.
      await this.#watch.ready
    }
    if (isOther || beginsToWatch) await this.reload({ announce: !isOther })
  }

  async close(): Promise<void> {
    await this.#watch?.close()
    await this.#work
  }

  /** By name. */
  list(): Skill[] {
    return [...this.#live.values()].map(toSkill).sort((left, right) => (left.name < right.name ? -1 : 1))
  }

  find(idOrName: string): Skill | undefined {
    const wanted = idOrName.toLowerCase()
    const found = [...this.#live.values()].find(({ source, row }) => source.name === wanted || row.id === idOrName)
    return found && toSkill(found)
  }

  match(text: string, fits: (skill: Skill) => boolean): SkillMatch[] {
    const usable = [...this.#live.values()].flatMap((live) => {
      const skill = toSkill(live)
      return isUsable(skill) && fits(skill) ? [{ ...live.matcher, skill }] : []
    })
    return matchSkills(usable, text)
  }

  setEnabled(name: string, enabled: boolean): void {
    setSkillEnabled(this.#deps.store.write, name, enabled)
    this.refresh(name)
    this.#announce('toggle', [name])
  }

  /** The scripts of the skill as it is now may run, or its scripts may not run any more. */
  setTrusted(name: string, hash: string | null): void {
    setTrustedHash(this.#deps.store.durable, name, hash)
    this.refresh(name)
  }

  /** The skill as it lies on disk at this moment, whatever is loaded. */
  async onDisk(name: string): Promise<SkillSource | undefined> {
    const live = this.#live.get(name)
    return live && existsSync(live.source.root) ? readSkill(live.source.root) : undefined
  }

  /** Reads everything again. One bad skill blocks no other. */
  reload({ announce = true } = {}): Promise<SkillReload> {
    return this.#inTurn(async () => {
      const { issues, counts } = { issues: [] as string[], counts: newCounts() }
      mkdirSync(this.#dir, { recursive: true, mode: 0o700 })
      const all = await this.#entries()
      const entries = all.slice(0, maxEntries)
      if (all.length > entries.length) issues.push(`only the first ${maxEntries} of ${all.length} entries are read`)
      const there = new Set(entries)
      const gone = [...this.#entriesKnown()].filter((entry) => !there.has(entry))
      const changed = new Set<string>()
      // Those that are gone first: their names may have gone to others.
      for (const entry of [...gone, ...entries]) {
        const { outcome, names, issue } = await this.#read(entry, { exists: there.has(entry) })
        counts[outcome] += 1
        if (issue) issues.push(issue)
        for (const name of names) changed.add(name)
      }
      if (announce && changed.size > 0) this.#announce('reload', changed)
      return { scanned: entries.length, ...counts, issues }
    })
  }

  /** Moves a skill's files to the trash folder, or deletes them, and forgets everything that was decided about it. */
  remove(name: string, { purge }: { purge: boolean }): Promise<void> {
    return this.#inTurn(async () => {
      const live = this.#live.get(name)
      const entry = live ? relative(this.#dir, live.source.root) : this.#broken.of(name)?.entry
      if (entry !== undefined) {
        const root = join(this.#dir, entry)
        if (existsSync(root)) await discard(root, { dir: this.#dir, purge })
        this.#broken.delete(entry)
      }
      this.forget(name)
      const names = await this.#readWaiting()
      if (names.length > 0) this.#announce('reload', names)
    })
  }

  /** Forgets a skill whose files are gone, with everything that was decided about it. */
  forget(name: string): void {
    deleteSkillRow(this.#deps.store.write, name)
    this.#live.delete(name)
    this.#announce('delete', [name])
  }

  /** Rows of skills that are not live: their files are gone, or broken for the reason that is given. */
  missing(): { row: SkillRow; error: string | null }[] {
    return listSkillRows(this.#deps.store.read)
      .filter(({ name }) => !this.#live.has(name))
      .map((row) => ({ row, error: this.#broken.of(row.name)?.error ?? null }))
  }

  /** What lies on disk and is no skill that is known, with the reason. */
  async untracked(): Promise<{ entry: string; error: string }[]> {
    const known = new Set(this.#entriesKnown())
    const unread = (await this.#entries()).filter((entry) => !known.has(entry))
    return [
      ...this.#broken.strangers(),
      ...unread.map((entry) => ({ entry, error: 'it has not been read yet: reload' })),
    ]
  }

  /** Why a skill that can be read is not taken nevertheless, if so. */
  whyNotTaken({ name, tool_chain }: Pick<SkillSource, 'name' | 'tool_chain'>): string | undefined {
    if (isBuiltin(name)) return `the name ${name} is one of Keel's own`
    if (tool_chain.length > 0 && !this.#deps.settings().toolChains)
      return 'it has a tool chain, and skills.tool_chains_enabled is false'
    return undefined
  }

  /** Every place in the folder where a skill may be, in order. */
  async #entries(): Promise<string[]> {
    const entries = []
    for (const entry of await listEntries(this.#dir)) entries.push(...(await skillsIn(this.#dir, entry)))
    return entries
  }

  *#entriesKnown(): Generator<string> {
    for (const { source } of this.#live.values()) yield relative(this.#dir, source.root)
    yield* this.#broken.entries()
  }

  #entryChanged(changed: string): Promise<void> {
    return this.#inTurn(async () => {
      const within = (path: string) => path === changed || path.startsWith(`${changed}/`)
      const there = new Set(await skillsIn(this.#dir, changed))
      const before = [...this.#entriesKnown()].filter((entry) => within(entry) && !there.has(entry))
      // A script that lies beside its skill's file.
      for (const { source } of this.#live.values())
        if (source.script_path !== null && within(relative(this.#dir, join(source.base, source.script_path))))
          for (const entry of await skillsIn(this.#dir, topOf(relative(this.#dir, source.root)))) there.add(entry)
      const names = new Set<string>()
      for (const entry of [...before, ...there])
        for (const name of (await this.#read(entry, { exists: there.has(entry) })).names) names.add(name)
      for (const name of await this.#readWaiting()) names.add(name)
      if (names.size > 0) this.#announce('reload', names)
    })
  }

  /** Those that could not be taken for the sake of a name that is free by now. */
  async #readWaiting(): Promise<string[]> {
    const names = []
    for (const { entry, name } of this.#broken.waiting())
      if (!this.#live.has(name))
        names.push(...(await this.#read(entry, { exists: existsSync(join(this.#dir, entry)) })).names)
    return names
  }

  /** Makes what is known of an entry what lies there now. `names`: of the skills that are others than before. */
  async #read(entry: string, { exists }: { exists: boolean }): Promise<Reading> {
    const root = join(this.#dir, entry)
    const known = [...this.#live.values()].find(({ source }) => source.root === root)
    if (!exists) {
      this.#broken.delete(entry)
      if (!known) return { outcome: 'unchanged', names: [] }
      this.#live.delete(known.source.name)
      return { outcome: 'removed', names: [known.source.name] }
    }
    try {
      return this.#take(await readSkill(root), entry, known)
    } catch (thrown) {
      return this.#refuse(entry, thrown, known)
    }
  }

  #take(source: SkillSource, entry: string, known: LiveSkill | undefined): Reading {
    const { name, root, hash, source_path } = source
    const why = this.whyNotTaken(source) ?? (known && !unfinishedReason(known.source) && unfinishedReason(source))
    if (why) throw new RuntimeError('invalid', why)
    if (known && known.source.hash === hash && known.error === null && known.source.name === name)
      return { outcome: 'unchanged', names: [] }
    const names = [name]
    const holder = this.#live.get(name)
    if (holder && holder.source.root !== root && existsSync(holder.source.root)) {
      const other = relative(this.#dir, holder.source.root)
      // The one that comes first has the name, whichever was there first: as after a new start.
      if (other < entry) throw new NameTaken(name, other)
      this.#refuse(other, new NameTaken(name, entry), undefined)
    }
    const before = findSkillRow(this.#deps.store.read, name)
    const isAsBefore = before?.content_hash === hash && before.source_path === source_path
    const row = isAsBefore ? before : saveLoadedSkill(this.#deps.store.write, loadedRow(source))
    if (known && known.source.name !== name) {
      this.#live.delete(known.source.name)
      names.push(known.source.name)
    }
    const { refused, ...matcher } = prepareMatcher(toSkill({ source, row, error: null }))
    for (const pattern of refused)
      source.findings.push({
        code: 'pattern_form',
        message: `triggers.regex_patterns: "${pattern}" is no RE2 pattern.`,
      })
    this.#broken.delete(entry)
    this.#live.set(name, { source, matcher, row, error: null })
    const wasLoaded = before !== undefined && before.content_hash !== ''
    return { outcome: wasLoaded ? (isAsBefore ? 'unchanged' : 'updated') : 'added', names }
  }

  /** The last good version stays, if there is one. */
  #refuse(entry: string, thrown: unknown, known: LiveSkill | undefined): Reading {
    const { log, bus } = this.#deps
    const error = reasonOf(thrown)
    const skill = known?.source.name ?? entry
    log.warn(
      { skill: entry, err: thrown },
      known ? 'a skill is broken; its last good version stays' : 'a skill is broken',
    )
    bus.publish('skill_failed', { skill, error, last_good: known !== undefined })
    if (known) known.error = error
    else this.#broken.add(entry, thrown, { dir: this.#dir, isLive: (name) => this.#live.has(name) })
    return { outcome: 'rejected', names: [], issue: `rejected skill '${skill}': ${error}` }
  }

  /** Takes up what its row says by now. */
  refresh(name: string): void {
    const live = this.#live.get(name)
    const row = findSkillRow(this.#deps.store.write, name)
    if (live && row) live.row = row
  }

  #announce(op: 'reload' | 'toggle' | 'delete', names: Iterable<string>): void {
    const ids = [...names].map((name) => this.#live.get(name)?.row.id ?? name)
    this.#deps.bus.publish('skills_changed', { op, ids })
  }

  /** One change at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work)
    this.#work = done.catch(() => {})
    return done
  }
}

function topOf(entry: string): string {
  return entry.split('/', 1)[0] ?? ''
}

function newCounts(): Record<Outcome, number> {
  return { added: 0, updated: 0, rejected: 0, unchanged: 0, removed: 0 }
}
