#!/usr/bin/env node
// Plain JavaScript that old versions of Node can read too: it says what is missing before anything needs it.
const oldest = 24

if (Number(process.versions.node.split('.')[0]) < oldest) {
  process.stderr.write(
    `Keel needs Node ${oldest} or newer; this is ${process.versions.node}. "npm start" brings its own.\n`,
  )
  process.exitCode = 1
} else {
  import('node:module')
    .then((module) => {
      module.enableCompileCache()
      return import('./main.ts')
    })
    .catch((error) => {
      process.stderr.write(`Keel could not be loaded: ${error.stack}\n`)
      process.exitCode = 1
    })
}
