#!/usr/bin/env node
// Plain JavaScript that old versions of Node can read too: it says what is missing before anything needs it.
const oldest = 24

if (Number(process.versions.node.split('.')[0]) < oldest) {
  process.stderr.write(
    `Keel needs Node ${oldest} or newer; this is ${process.versions.node}. "npm start" brings its own.\n`,
  )
  process.exitCode = 1
} else {
  Promise.all([import('node:module'), import('node:url')])
    .then(([module, { fileURLToPath }]) => {
      // In the install's own folder, where nobody else can put code; services inherit it.
      process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../../node_modules/.cache/compile', import.meta.url))
      module.enableCompileCache(process.env.NODE_COMPILE_CACHE)
      return import('./main.ts')
    })
    .catch((error) => {
      process.stderr.write(`Keel could not be loaded: ${error.stack}\n`)
      process.exitCode = 1
    })
}
