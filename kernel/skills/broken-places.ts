import { join } from 'node:path'
import { findSkillRow, listSkillRows } from '#kernel/store/skills.ts'
import type { Store } from '#kernel/store/store.ts'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'

interface Broken {
  error: string
  /** Of the skill that was loaded from there in an earlier life. */
  source_path: string | undefined
  /** The name that another one has. */
  waitsFor: string | undefined
}

/** Two places want one name. */
export class NameTaken extends RuntimeError {
  readonly skill: string

  constructor(skill: string, by: string) {
    super('conflict', `the name ${skill} is taken by ${by}`)
    this.skill = skill
  }
}

/** Places in the skills folder that could not be read and have no last good version, and why. */
export class BrokenPlaces {
  readonly #store: Pick<Store, 'read'>
  readonly #places = new Map<string, Broken>()

  constructor(store: Pick<Store, 'read'>) {
    this.#store = store
  }

  /** `isLive`: what has a skill of that name, and so is not from here. */
  add(entry: string, thrown: unknown, { dir, isLive }: { dir: string; isLive: (name: string) => boolean }): void {
    const root = join(dir, entry)
    const row = listSkillRows(this.#store.read).find(
      ({ name, source_path: path }) => !isLive(name) && (path === root || path.startsWith(`${root}/`)),
    )
    const waitsFor = thrown instanceof NameTaken ? thrown.skill : undefined
    this.#places.set(entry, { error: reasonOf(thrown), source_path: row?.source_path, waitsFor })
  }

  delete(entry: string): void {
    this.#places.delete(entry)
  }

  clear(): void {
    this.#places.clear()
  }

  entries(): string[] {
    return [...this.#places.keys()]
  }

  /** Where the skill of that name was loaded from, and why it can not be now. */
  of(name: string): { entry: string; error: string } | undefined {
    const path = findSkillRow(this.#store.read, name)?.source_path
    if (path === undefined) return undefined
    const found = [...this.#places].find(([, { source_path }]) => source_path === path)
    return found && { entry: found[0], error: found[1].error }
  }

  /** Those that are no skill's that is on record. */
  strangers(): { entry: string; error: string }[] {
    return [...this.#places]
      .filter(([, { source_path }]) => source_path === undefined)
      .map(([entry, { error }]) => ({ entry, error }))
  }

  /** Those that wait for a name. */
  waiting(): { entry: string; name: string }[] {
    return [...this.#places].flatMap(([entry, { waitsFor: name }]) => (name === undefined ? [] : [{ entry, name }]))
  }
}
