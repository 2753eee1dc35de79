import type { builtinTools } from '#sdk/services/tools.ts'
import type { ToolHandlers } from './tool.ts'

export const echoTools: ToolHandlers<Pick<typeof builtinTools, 'echo'>> = {
  echo: ({ message }) => message,
}
