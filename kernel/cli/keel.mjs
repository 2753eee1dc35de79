#!/usr/bin/env node
// Plain JavaScript that old versions of Node can read too: it says what is missing before anything needs it.
const oldest = 24

/** A kernel that waits for this one to take over from it is told as well. */
function fail(reason, details = '') {
  process.stderr.write(`${reason}${details}\n`)
  if (process.send) process.send({ is: 'failed', reason, exit_code: 1 })
  process.exitCode = 1
}

if (Number(process.versions.node.split('.')[0]) < oldest) {
  fail(`Keel needs Node ${oldest} or newer; this is ${process.versions.node}. "npm start" brings its own.`)
} else {
  Promise.all([import('node:module'), import('node:url')])
    .then(([module, { fileURLToPath }]) => {
      // In the install's own folder, where nobody else can put code; services inherit it.
      process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../../node_modules/.cache/compile', import.meta.url))
      module.enableCompileCache(process.env.NODE_COMPILE_CACHE)
      return import('../../sdk/lean-imports.ts')
    })
    .then(() => import('./main.ts'))
    .catch((error) => fail(`Keel could not be loaded: ${error.message}`, `\n${error.stack}`))
}
