import { onTestFinished } from 'vitest'
import { type OpenSandbox, openSandbox, type SandboxScene } from './sandbox-scene.ts'

/** The service in its own process, under the supervisor, until the test ends. */
export function startSandbox(scene: Partial<SandboxScene> = {}): OpenSandbox {
  const opened = openSandbox(scene)
  onTestFinished(() => opened.close())
  return opened
}
