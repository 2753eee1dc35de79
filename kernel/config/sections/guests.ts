import { z } from 'zod'
import { flag, integer, optionalText, record, requiredText, section, table, tableList, textList } from '../fields.ts'

const mebibyte = 1_048_576

export const skills = section({
  skills_dir: requiredText('skills'),
  script_timeout_seconds: integer(30, 1, 3_600),
  script_max_output_bytes: integer(mebibyte, 1, 64 * mebibyte),
  allowed_interpreters: textList(['bash', 'python3', 'node']),
  sandbox_env: flag(true),
  hot_reload: flag(true),
  /** Skills that name a chain of tools are taken. */
  tool_chains_enabled: flag(false),
  script_max_memory_bytes: integer(256 * mebibyte, mebibyte),
  network_allowed: flag(false),
  workspace_dir: optionalText(),
})

export const plugins = section({
  dir: requiredText('plugins'),
  allow: textList(),
  deny: textList(),
  strict_permissions: flag(false),
  allowed_permissions: textList(),
  /** Dangerous tools may be called over the API though approvals are off. */
  api_dangerous: flag(false),
})

export const browser = section({
  enabled: flag(false),
  executable_path: optionalText(),
  headless: flag(true),
  profile_dir: requiredText('browser-profiles'),
  cdp_port: integer(9_222, 0, 65_535),
  /** A session that nobody has used for so long is closed. */
  idle_seconds: integer(600, 10, 86_400),
})

const transports = ['sse', 'http', 'stdio'] as const

export const mcp = section({
  server_enabled: flag(false),
  server_port: integer(3_001, 0, 65_535),
  clients: tableList(
    table({
      name: requiredText('client'),
      /** For `sse` and `http`. */
      url: optionalText(),
      transport: z
        .string('expected one of "sse", "http", "stdio"')
        .toLowerCase()
        .pipe(z.enum(transports, 'expected one of "sse", "http", "stdio"'))
        .default('sse'),
      /** For `stdio`: the program and its arguments. */
      command: optionalText(),
      args: textList(),
      env: record(z.string('expected text')).default({}),
      auth_token_env: optionalText(),
    }),
  ),
})
