import { deleteSealed, findSealed, listSealedNames, saveSealed } from '#kernel/store/secrets.ts'
import type { Store } from '#kernel/store/store.ts'

/** Where sealed secrets are kept. */
export function sealedRows({ read, write }: Pick<Store, 'read' | 'write'>) {
  return {
    find: (name: string) => findSealed(read, name),
    save: (name: string, sealed: Buffer) => saveSealed(write, name, sealed),
    delete: (name: string) => deleteSealed(write, name),
    names: () => listSealedNames(read),
  }
}
