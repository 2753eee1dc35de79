import { registerHooks } from 'node:module'

const localesOfZod = '../locales/index.js'

/*
 * Loaded before anything else: zod brings its messages in sixty languages along, a fifth of what a process would load at
 * its start, while callers wait for it. Keel speaks English, which zod loads apart from these.
 */
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === localesOfZod && context.parentURL?.includes('/node_modules/zod/')
      ? { url: 'data:text/javascript,', format: 'module', shortCircuit: true }
      : next(specifier, context),
})
