#!/usr/bin/env node
// What `keel` is on a path: where the machine's Node is too old, the one that came with the install takes over.
// Plain JavaScript that old versions of Node can read too.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const oldest = 24
const platform = process.platform === 'win32' ? 'win' : process.platform
const binary = process.platform === 'win32' ? 'node.exe' : 'node'
const entry = fileURLToPath(new URL('./keel.mjs', import.meta.url))

const isOld = Number(process.versions.node.split('.')[0]) < oldest
const own = ['node', 'node-bin']
  .map((name) => new URL(`../../node_modules/${name}-${platform}-${process.arch}/bin/${binary}`, import.meta.url))
  .map((url) => fileURLToPath(url))
  .find((path) => existsSync(path))

if (isOld && own) {
  const child = spawn(own, [entry, ...process.argv.slice(2)], { stdio: 'inherit' })
  // A terminal signals both; whoever stops this process alone means the other.
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  process.on('SIGINT', () => {})
  child.on('exit', (code) => {
    process.exitCode = code ?? 1
  })
} else {
  // It says itself that a Node is too old.
  await import('./keel.mjs')
}
