// The page around this one calls the plugin's tools: it has the key, and this page has not.
const refreshMs = 5_000
const levels = { info: 'Note', good: 'All is well', warning: 'Look at this', bad: 'Trouble' }
const byId = (id) => document.getElementById(id)
let lastId = 0
let timer

function show({ title, notes }) {
  byId('title').textContent = title
  byId('count').textContent = notes.length === 1 ? '1 note' : `${notes.length} notes`
  byId('state').textContent = notes.length === 0 ? 'There are no notes yet: ask the agent to post one.' : ''
  byId('notes').replaceChildren(...notes.map(card))
}

function card({ subject, text, level, at }) {
  const item = element('li')
  const when = new Date(at)
  const time = element('time', when.toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' }))
  time.dateTime = when.toISOString()
  item.className = level
  item.append(element('small', levels[level] ?? level), element('strong', subject), element('p', text), time)
  return item
}

function element(name, text = '') {
  const made = document.createElement(name)
  made.textContent = text
  return made
}

function refresh() {
  parent.postMessage({ type: 'keel:call', id: ++lastId, tool: 'board_list', input: {} }, '*')
}

addEventListener('message', ({ source, data }) => {
  if (source !== parent) return
  if (data?.type === 'keel:ready') {
    clearInterval(timer)
    timer = setInterval(refresh, refreshMs)
    refresh()
  }
  if (data?.type !== 'keel:result' || data.id !== lastId) return
  if (data.ok && data.result.success) return show(JSON.parse(data.result.output))
  // The page around it says what is wrong; nothing is asked until it has a key again.
  clearInterval(timer)
  byId('state').textContent = data.error ?? data.result.output
})
