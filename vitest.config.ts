import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  // What the plugins of this repository import by the name that authors elsewhere have it under.
  resolve: {
    alias: [
      { find: /^@keel\/sdk$/, replacement: file('./sdk/plugin.ts') },
      { find: /^@keel\/sdk\/testing$/, replacement: file('./kernel/plugins/testing-kit.ts') },
    ],
  },
  test: {
    include: ['test/{unit,contract,faults,e2e}/**/*.test.ts', 'plugins/*/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // The services that tests start need not be compiled anew each time.
    env: { NODE_COMPILE_CACHE: file('./node_modules/.cache/compile') },
    testTimeout: 20_000,
    hookTimeout: 20_000,
    reporters: ['default', './test/support/closing-line.ts'],
  },
})
