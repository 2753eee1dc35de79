import {
  deletePluginValue,
  findPluginValue,
  listPluginKeys,
  pluginUsage,
  savePluginValue,
} from '#kernel/store/plugins.ts'
import type { Store } from '#kernel/store/store.ts'
import type { HostFunction } from './host-function.ts'
import { kvOn } from './kv.ts'

/** `kv` on Keel's own database. */
export function kvFunctions({ read, write }: Pick<Store, 'read' | 'write'>): Record<string, HostFunction> {
  return kvOn({
    get: (plugin, key) => findPluginValue(read, plugin, key),
    usage: (plugin, exceptKey) => pluginUsage(write, plugin, exceptKey),
    set: (plugin, key, json) => savePluginValue(write, plugin, key, json),
    delete: (plugin, key) => deletePluginValue(write, plugin, key),
    keys: (plugin, prefix, limit) => listPluginKeys(read, plugin, prefix, limit),
  })
}
