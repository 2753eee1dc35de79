import { RuntimeError } from '#sdk/errors.ts'
import { findProgram } from '#sdk/find-program.ts'
import { resolveInside } from '#sdk/path-root.ts'
import { scriptAnswer } from '#sdk/script-words.ts'
import type { builtinTools } from '#sdk/services/tools.ts'
import { runCommand } from './script/run-script.ts'
import { rootRules } from './text-file.ts'
import type { ToolHandlers } from './tool.ts'

const defaultSeconds = 20

export const bashTool: ToolHandlers<Pick<typeof builtinTools, 'bash'>> = {
  async bash({ command, cwd = '.', timeout_seconds = defaultSeconds }, { settings, signal }) {
    const { workspace, scripts } = settings
    const bash = scripts.allowed_interpreters.includes('bash') ? findProgram('bash') : undefined
    if (!bash) throw new RuntimeError('forbidden', 'bash is not installed, or is none of skills.allowed_interpreters')
    const { real } = await resolveInside(workspace, cwd, rootRules(settings))
    const timeout_ms = timeout_seconds * 1000
    const outcome = await runCommand(
      [bash, '--noprofile', '--norc', '-c', command],
      { root: workspace, stdin: '', env: {}, timeout_ms, network: scripts.network },
      // The tool has a time of its own, which a person can choose for each command.
      { settings: { ...settings, scripts: { ...scripts, timeout_ms } }, signal, cwd: real },
    )
    return scriptAnswer(outcome)
  },
}
