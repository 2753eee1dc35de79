import { findIdentity, setIdentity } from '#kernel/store/identity.ts'
import type { Store } from '#kernel/store/store.ts'

/** The model that the operator chose at run time; it wins while it is usable, and outlives a restart. */
export function openModelOverride(store: Pick<Store, 'read' | 'write'>, onChange: () => Promise<void>) {
  return {
    current: (): string | null => findIdentity(store.read, 'model_override') ?? null,
    async set(model: string | null): Promise<void> {
      setIdentity(store.write, 'model_override', model)
      await onChange()
    },
  }
}

export type ModelOverride = ReturnType<typeof openModelOverride>
