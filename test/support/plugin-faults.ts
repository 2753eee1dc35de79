/** What a plugin does to the house by mistake or on purpose. The same text runs in Keel and in a host without walls. */
export interface PluginFault {
  name: string
  /** The body of the tool when it is told to do harm. */
  body: string
}

/** Stands in the environment of the process that must not tell it. */
export const canary = { name: 'HOUSE_SECRET_KEY', value: 'canary-5e1f0c7a' }

export const answerWhenWell = 'well'

/** A tool ends what runs for longer; shorter than the fault that spins. */
const timeoutSeconds = 0.5

const afterwards = `await new Promise((go) => setTimeout(go, 100)); return 'unharmed'`

export const pluginFaults: readonly PluginFault[] = [
  {
    name: 'throws in a callback',
    body: `setTimeout(() => { throw new Error('thrown where nobody catches') }, 0); ${afterwards}`,
  },
  {
    name: 'rejects a promise that nobody awaits',
    body: `Promise.reject(new Error('rejected where nobody looks')); ${afterwards}`,
  },
  { name: 'exits the process', body: 'process.exit(1)' },
  { name: 'spins for 5 s', body: 'const until = Date.now() + 5_000; while (Date.now() < until); return "spun"' },
  { name: 'reads the environment', body: 'return JSON.stringify(process.env)' },
]

/** A plugin of one tool, `<name>_run`. */
export function pluginFiles(name: string, body = ''): Record<string, string> {
  return {
    'plugin.toml': `name = "${name}"
version = "1.0.0"
timeout_seconds = ${timeoutSeconds}

[[tools]]
name = "${toolOf(name)}"
risk = "safe"
`,
    'plugin.js': `export default {
  tools: {
    ${toolOf(name)}: {
      async run({ input }) {
        if (input.harm !== true) return '${answerWhenWell}'
        ${body}
      },
    },
  },
}
`,
  }
}

export function toolOf(plugin: string): string {
  return `${plugin.replaceAll('-', '_')}_run`
}
