import { createHash } from 'node:crypto'

/**
 * A guest's page has no origin: it can not read Keel's pages, nor use what their visitor may, and it talks to nobody but
 * the page around it. Modules are asked for across origins then, so its files may be read by everybody.
 */
export const pageHeaders: ReadonlyMap<string, string> = new Map([
  [
    'content-security-policy',
    policy({
      // Forms for their events; they are sent nowhere.
      sandbox: 'allow-scripts allow-forms',
      'default-src': "'none'",
      'script-src': "'self'",
      'style-src': "'self'",
      'img-src': "'self' data:",
      'font-src': "'self'",
      'base-uri': "'none'",
      'form-action': "'none'",
      'frame-ancestors': "'self'",
    }),
  ],
  ['x-frame-options', 'SAMEORIGIN'],
  ['access-control-allow-origin', '*'],
  ['cross-origin-resource-policy', 'cross-origin'],
  ['cache-control', 'no-cache'],
])

const style = `
:root { color-scheme: light dark; --text: #1c2530; --soft: #5d6b7a; --line: #d8dfe6; --back: #fff; --bar: #f4f7fa; --mark: #1f5f8b; --bad: #b3261e }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6ebf0; --soft: #9aa8b6; --line: #303b47; --back: #12181f; --bar: #1a222b; --mark: #6db3e0; --bad: #f2857c }
}
* { box-sizing: border-box }
body { margin: 0; height: 100vh; display: flex; flex-direction: column; font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back) }
header { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; min-height: 3.25rem; padding: .5rem 1.25rem; background: var(--bar); border-bottom: 1px solid var(--line) }
strong { font-weight: 600 }
header span { color: var(--soft) }
form { display: flex; flex-wrap: wrap; gap: .5rem; margin-left: auto }
input, button { font: inherit; padding: .3rem .7rem; border: 1px solid var(--line); border-radius: 6px; color: inherit; background: var(--back) }
button { border-color: var(--mark); background: var(--mark); color: var(--back); cursor: pointer }
:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px }
output { flex-basis: 100%; color: var(--bad) }
[hidden], output:empty { display: none }
iframe { display: block; flex: 1; width: 100%; border: 0 }
`

/** The page around it visits nothing but Keel, and neither does the frame in it, wherever its guest leads it. */
export const frameHeaders: ReadonlyMap<string, string> = new Map([
  [
    'content-security-policy',
    policy({
      'default-src': "'none'",
      'script-src': "'self'",
      'style-src': `'sha256-${createHash('sha256').update(style).digest('base64')}'`,
      'connect-src': "'self'",
      'frame-src': "'self'",
      'base-uri': "'none'",
      'form-action': "'none'",
      'frame-ancestors': "'none'",
    }),
  ],
  ['cache-control', 'no-cache'],
])

function policy(directives: Record<string, string>): string {
  return Object.entries(directives)
    .map(([name, value]) => `${name} ${value}`)
    .join('; ')
}

/** Keel's own page around a plugin's: it has the key, and the plugin has not. */
export function framePage(name: string): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${name} – Keel</title>
<style>${style}</style>
<script type="module" src="/plugins/frame.js"></script>
</head>
<body data-plugin="${name}">
<header>
<strong>${name}</strong><span>a plugin's page</span>
<form id="unlock"><input id="key" type="password" aria-label="API key" placeholder="API key" autocomplete="off" required><button>Open</button></form>
<output id="note"></output>
</header>
<iframe id="page" title="${name}" sandbox="allow-scripts allow-forms" src="/plugins/${name}/web/index.html"></iframe>
</body>
</html>
`
}

/** Calls the plugin's own tools for its page: {type: 'keel:call', id, tool, input} is answered by {type: 'keel:result', id, …}. */
export const frameScript = `const { plugin } = document.body.dataset
const page = document.getElementById('page')
const form = document.getElementById('unlock')
const note = document.getElementById('note')
let key

const tell = (message) => page.contentWindow.postMessage(message, '*')

form.addEventListener('submit', (event) => {
  event.preventDefault()
  key = document.getElementById('key').value
  form.reset()
  form.hidden = true
  note.textContent = ''
  tell({ type: 'keel:ready' })
})

// A page that was loaded after the key was given.
page.addEventListener('load', () => key && tell({ type: 'keel:ready' }))

async function call(tool, input) {
  if (!key) throw new Error('the key is missing')
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(tool)) throw new Error('this is no name of a tool')
  const answer = await fetch('/api/plugins/' + plugin + '/execute/' + tool, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: JSON.stringify(input),
  })
  const body = await answer.json()
  if (answer.status === 401) {
    // Asked again, and not tried again: a page that goes on calling would have its visitor locked out.
    key = undefined
    form.hidden = false
  }
  if (!answer.ok) throw new Error(body.error)
  if (!body.result) throw new Error('it waits for an approval: ' + body.request_id)
  return body.result
}

addEventListener('message', async ({ source, data }) => {
  if (source !== page.contentWindow || data?.type !== 'keel:call') return
  const { id, tool, input = {} } = data
  try {
    const result = await call(tool, input)
    note.textContent = ''
    tell({ type: 'keel:result', id, ok: true, result })
  } catch (thrown) {
    if (key || !form.hidden) note.textContent = thrown.message
    tell({ type: 'keel:result', id, ok: false, error: thrown.message })
  }
})
`
