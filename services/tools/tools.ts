import type { Logger } from 'pino'
import type { ServiceSetup } from '#sdk/rpc/run-service.ts'
import type { Client } from '#sdk/service.ts'
import type { kernelForTools } from '#sdk/services/kernel.ts'
import type { builtinTools, toolsService } from '#sdk/services/tools.ts'
import { bashTool } from './bash.ts'
import { echoTools } from './echo.ts'
import { fetchForGuest } from './fetch-for-guest.ts'
import { createFileTools } from './files.ts'
import { findTools } from './find.ts'
import { httpTools } from './http-get.ts'
import { runTool } from './run-tool.ts'
import { runScript } from './script/run-script.ts'
import type { ToolHandlers } from './tool.ts'

/** Builds the service from the settings that the kernel holds. */
export async function createTools(
  kernel: Client<typeof kernelForTools>,
  log: Logger,
): Promise<ServiceSetup<typeof toolsService>> {
  let settings = await kernel.start({})
  const handlers: ToolHandlers<typeof builtinTools> = {
    ...echoTools,
    ...createFileTools(),
    ...findTools,
    ...httpTools,
    ...bashTool,
  }
  return {
    handlers: {
      run: (call, { signal }) => runTool(call, handlers, { settings, signal, log }),
      runScript: (wanted, { signal, emit }) =>
        runScript(wanted, { settings, signal, onLine: (line) => void emit({ line }).catch(() => {}) }),
      fetch: (wanted, { signal }) => fetchForGuest(wanted, { settings, signal }),
      configure(changed) {
        settings = changed
        return null
      },
    },
  }
}
