// The page around this one calls the plugin's tools: it has the key, and this page has not.
const refreshMs = 5_000
let lastId = 0

function show({ title, notes }) {
  document.getElementById('title').textContent = title
  document.getElementById('state').textContent = notes.length === 0 ? 'There are no notes yet.' : ''
  document.getElementById('notes').replaceChildren(
    ...notes.map(({ subject, text, level, at }) => {
      const item = document.createElement('li')
      const time = document.createElement('time')
      const name = document.createElement('strong')
      item.className = level
      time.textContent = new Date(at).toLocaleString()
      name.textContent = subject
      item.append(time, name, document.createElement('br'), text)
      return item
    }),
  )
}

function refresh() {
  parent.postMessage({ type: 'keel:call', id: ++lastId, tool: 'board_list', input: {} }, '*')
}

addEventListener('message', ({ source, data }) => {
  if (source !== parent) return
  if (data?.type === 'keel:ready') {
    refresh()
    setInterval(refresh, refreshMs)
  }
  if (data?.type !== 'keel:result' || data.id !== lastId) return
  if (data.ok && data.result.success) show(JSON.parse(data.result.output))
  else document.getElementById('state').textContent = data.error ?? data.result.output
})
