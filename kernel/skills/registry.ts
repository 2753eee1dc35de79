import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
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
import { isBuiltin } from './builtin.ts'
import { cleanStaging } from './catalog/install-skills.ts'
import { type Matcher, matchSkills, prepareMatcher, type SkillMatch } from './match.ts'
import { mayBeSkill, readSkill } from './read-skill.ts'
import { unmetRequirements } from './requirements.ts'
import { isUsable, type Skill, type SkillSource } from './skill.ts'

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

/** The live skills: what their folder holds, each as it was when it was last whole. */
export class Skills {
  readonly #deps: SkillsDeps
  /** By name. */
  readonly #live = new Map<string, { source: SkillSource; matcher: Matcher; row: SkillRow; error: string | null }>()
  /** Entries of the folder that could not be read and have no last good version: why. */
  readonly #broken = new Map<string, string>()
  #dir = ''
  #watch: EntryWatch | undefined
  #work: Promise<unknown> = Promise.resolve()

  private constructor(deps: SkillsDeps) {
    this.#deps = deps
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
    if (real !== this.#dir) {
      await cleanStaging(real)
      this.#dir = real
      this.#live.clear()
      await this.reload({ announce: false })
    }
    if (hotReload && !this.#watch) {
      this.#watch = watchEntries(real, {
        onChange: (entry) => this.#entryChanged(entry),
        onError: (err) => log.warn({ err }, 'the skills folder could not be watched'),
      })
      await this.#watch.ready
    }
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

  /** What lies in the folder and could not be read, with the reason. */
  broken(): { entry: string; error: string }[] {
    return [...this.#broken].map(([entry, error]) => ({ entry, error }))
  }

  match(message: { text: string; toolNames?: readonly string[] }, fits: (skill: Skill) => boolean): SkillMatch[] {
    const usable = [...this.#live.values()].flatMap((live) => {
      const skill = toSkill(live)
      return isUsable(skill) && fits(skill) ? [{ ...live.matcher, skill }] : []
    })
    return matchSkills(usable, message)
  }

  setEnabled(name: string, enabled: boolean): void {
    setSkillEnabled(this.#deps.store.write, name, enabled)
    this.#refresh(name)
    this.#announce('toggle', [name])
  }

  /** The scripts of the skill as it is now may run, or its scripts may not run any more. */
  setTrusted(name: string, hash: string | null): void {
    setTrustedHash(this.#deps.store.durable, name, hash)
    this.#refresh(name)
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
      const entries = (await readdir(this.#dir)).filter(mayBeSkill).sort()
      if (entries.length > maxEntries) issues.push(`only the first ${maxEntries} of ${entries.length} entries are read`)
      const before = new Map([...this.#live].map(([name, { source }]) => [source.root, name]))
      const changed: string[] = []
      for (const entry of entries.slice(0, maxEntries)) {
        const { outcome, name, issue } = await this.#read(entry)
        counts[outcome] += 1
        before.delete(join(this.#dir, entry))
        if (issue) issues.push(issue)
        if (name && outcome !== 'unchanged') changed.push(name)
      }
      for (const [, name] of before) {
        this.#live.delete(name)
        counts.removed += 1
        changed.push(name)
      }
      for (const entry of this.#broken.keys()) if (!entries.includes(entry)) this.#broken.delete(entry)
      if (announce && changed.length > 0) this.#announce('reload', changed)
      return { scanned: entries.length, ...counts, issues }
    })
  }

  /** Forgets a skill whose files are gone, with everything that was decided about it. */
  forget(name: string): void {
    deleteSkillRow(this.#deps.store.write, name)
    this.#live.delete(name)
    this.#announce('delete', [name])
  }

  /** Rows of skills that lie nowhere any more. */
  missing(): SkillRow[] {
    return listSkillRows(this.#deps.store.read).filter(({ name }) => !this.#live.has(name))
  }

  #entryChanged(entry: string): Promise<void> {
    return this.#inTurn(async () => {
      if (!mayBeSkill(entry)) return
      const { outcome, name } = await this.#read(entry)
      if (name && outcome !== 'unchanged') this.#announce('reload', [name])
    })
  }

  /** Makes what is known of an entry what lies there now. */
  async #read(entry: string): Promise<{ outcome: Outcome; name?: string; issue?: string }> {
    const { store, log, bus, settings } = this.#deps
    const root = join(this.#dir, entry)
    const known = [...this.#live.values()].find(({ source }) => source.root === root)
    if (!existsSync(root)) {
      this.#broken.delete(entry)
      if (!known) return { outcome: 'unchanged' }
      this.#live.delete(known.source.name)
      return { outcome: 'removed', name: known.source.name }
    }
    try {
      const source = await readSkill(root)
      if (isBuiltin(source.name)) throw new RuntimeError('invalid', `the name ${source.name} is one of Keel's own`)
      const holder = this.#live.get(source.name)
      if (holder && holder.source.root !== root && existsSync(holder.source.root))
        throw new RuntimeError('invalid', `the name ${source.name} is taken by ${holder.source.root}`)
      if (source.tool_chain.length > 0 && !settings().toolChains)
        throw new RuntimeError('invalid', 'it has a tool chain, and skills.tool_chains_enabled is false')
      this.#broken.delete(entry)
      if (known && known.source.hash === source.hash && known.error === null && known.source.name === source.name)
        return { outcome: 'unchanged', name: source.name }
      const before = findSkillRow(store.read, source.name)
      const row =
        before?.content_hash === source.hash && before.source_path === source.source_path
          ? before
          : saveLoadedSkill(store.write, loadedRow(source))
      if (known && known.source.name !== source.name) this.#live.delete(known.source.name)
      const { refused, ...matcher } = prepareMatcher(toSkill({ source, row, error: null }))
      for (const pattern of refused)
        source.findings.push({
          code: 'pattern_form',
          message: `triggers.regex_patterns: "${pattern}" is no RE2 pattern.`,
        })
      this.#live.set(source.name, { source, matcher, row, error: null })
      return {
        outcome: before && before.content_hash !== '' ? (before === row ? 'unchanged' : 'updated') : 'added',
        name: source.name,
      }
    } catch (thrown) {
      const error = reasonOf(thrown)
      log.warn(
        { skill: entry, err: thrown },
        known ? 'a skill is broken; its last good version stays' : 'a skill is broken',
      )
      bus.publish('skill_failed', { skill: known?.source.name ?? entry, error, last_good: known !== undefined })
      if (known) known.error = error
      else this.#broken.set(entry, error)
      return { outcome: 'rejected', issue: `rejected skill '${known?.source.name ?? entry}': ${error}` }
    }
  }

  #refresh(name: string): void {
    const live = this.#live.get(name)
    const row = findSkillRow(this.#deps.store.write, name)
    if (live && row) live.row = row
  }

  #announce(op: 'reload' | 'toggle' | 'delete' | 'install', names: readonly string[]): void {
    const ids = names.map((name) => this.#live.get(name)?.row.id ?? name)
    this.#deps.bus.publish('skills_changed', { op, ids })
  }

  /** One change at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work)
    this.#work = done.catch(() => {})
    return done
  }
}

function newCounts(): Record<Outcome, number> {
  return { added: 0, updated: 0, rejected: 0, unchanged: 0, removed: 0 }
}

function toSkill({ source, row, error }: { source: SkillSource; row: SkillRow; error: string | null }): Skill {
  return {
    ...source,
    id: row.id,
    enabled: row.enabled,
    trusted_hash: row.trusted_hash,
    registry_source: row.registry_source,
    created_at: row.created_at,
    last_loaded_at: row.last_loaded_at,
    error,
    unmet: unmetRequirements(source.requirements),
  }
}

function loadedRow(source: SkillSource) {
  const hasScripts = source.files.some(({ path }) => path.startsWith('scripts/'))
  return {
    name: source.name,
    kind: source.kind === 'structured' ? ('structured' as const) : hasScripts ? ('scripted' as const) : source.kind,
    description: source.description,
    source_path: source.source_path,
    content_hash: source.hash,
    triggers_json: JSON.stringify(source.triggers),
    tool_chain_json: source.tool_chain.length > 0 ? JSON.stringify(source.tool_chain) : null,
    policy_overrides_json: JSON.stringify(source.policy_overrides),
    script_path: source.script_path,
    risk_level: source.risk_level,
    version: source.version,
    author: source.author,
  }
}
