const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character)
}

/** What a browser is shown at `/`: that Keel runs, and how to talk to it. It holds no secret and needs no script. */
export function welcomePage({ version, agent }: { version: string; agent: string }): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Keel</title>
</head>
<body>
<h1>Keel ${escapeHtml(version)}</h1>
<p>${escapeHtml(agent)} is running.</p>
<ul>
<li>Talk to it in a terminal: <code>npx keel chat</code></li>
<li>How it is doing: <code>npx keel status</code>, or <a href="/api/health">/api/health</a></li>
<li>Its API: <code>/openapi.json</code>, with the key in the header <code>x-api-key</code></li>
</ul>
</body>
</html>
`
}
