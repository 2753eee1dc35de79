/**
 * What the kernel uses of Node's HTTP server. An import statement asks a built-in module for all its names, and this one
 * has names that load the client behind `fetch`: 17 MB, and a tenth of the time that a start takes.
 */
export const { createServer, IncomingMessage, ServerResponse, STATUS_CODES } = process.getBuiltinModule('node:http')
