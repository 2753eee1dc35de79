import { extname, join } from 'node:path'
import { readPlain } from '#kernel/guests/plain-file.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { resolveInside } from '#sdk/path-root.ts'

const maxFileBytes = 4 * 1_048_576
const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
}

/**
 * A guest's page has no origin: it can not read Keel's pages, nor use what their visitor may, and it talks to nobody but
 * the page around it. Modules are asked for across origins then, so its files may be read by everybody.
 */
export const frameHeaders: ReadonlyMap<string, string> = new Map([
  [
    'content-security-policy',
    "sandbox allow-scripts allow-forms; default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; frame-ancestors 'self'",
  ],
  ['x-frame-options', 'SAMEORIGIN'],
  ['access-control-allow-origin', '*'],
  ['cross-origin-resource-policy', 'cross-origin'],
  ['cache-control', 'no-cache'],
])

/** A file of the folder that a plugin shows; `not_found` for anything else. */
export async function readWebFile(root: string, web: string, file: string): Promise<{ bytes: Buffer; type: string }> {
  const type = types[extname(file).toLowerCase()]
  const folder = join(root, web)
  const found = type && !file.startsWith('.') ? await resolveInside(folder, file).catch(() => undefined) : undefined
  if (!type || !found?.exists || found.real !== join(found.base, file)) throw new RuntimeError('not_found', 'not found')
  return { bytes: await readPlain(found.real, maxFileBytes), type }
}

/** Keel's own page around a plugin's: it has the key, and the plugin has not. */
export function framePage(name: string): string {
  return `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>${name} – Keel</title><script type="module" src="/plugins/frame.js"></script></head>
<body data-plugin="${name}">
<form id="unlock"><label>API key <input id="key" type="password" autocomplete="off" required></label> <button>Open ${name}</button> <output id="note"></output></form>
<iframe id="page" title="${name}" sandbox="allow-scripts allow-forms" src="/plugins/${name}/web/index.html" width="100%" height="720"></iframe>
</body>
</html>
`
}

/** Calls the plugin's own tools for its page: {type: 'keel:call', id, tool, input} is answered by {type: 'keel:result', id, …}. */
export const frameScript = `const { plugin } = document.body.dataset
const page = document.getElementById('page')
const note = document.getElementById('note')
let key

const tell = (message) => page.contentWindow.postMessage(message, '*')

document.getElementById('unlock').addEventListener('submit', (event) => {
  event.preventDefault()
  key = document.getElementById('key').value
  tell({ type: 'keel:ready' })
})

addEventListener('message', async ({ source, data }) => {
  if (source !== page.contentWindow || data?.type !== 'keel:call') return
  const { id, tool, input = {} } = data
  try {
    const path = '/api/plugins/' + encodeURIComponent(plugin) + '/execute/' + encodeURIComponent(tool)
    const answer = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key ?? '' },
      body: JSON.stringify(input),
    })
    const body = await answer.json()
    note.textContent = answer.ok ? '' : body.error
    tell({ type: 'keel:result', id, ok: answer.ok, ...(answer.ok ? { result: body.result } : { error: body.error }) })
  } catch (thrown) {
    tell({ type: 'keel:result', id, ok: false, error: String(thrown) })
  }
})
`
