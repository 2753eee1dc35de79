/*
 * Lists of hosts as people write them: `api.example.org`, `*.example.org` for what is below it, `localhost:8080`, with
 * `http://` before it for a host that does not speak https.
 */

/** Whether an address is one of these hosts; https unless the entry says otherwise. */
export function isListedHost(url: URL, hosts: readonly string[]): boolean {
  return hosts.some((entry) => {
    const plain = entry.startsWith('http://')
    const name = entry.replace(/^https?:\/\//, '')
    if (url.protocol !== (plain ? 'http:' : 'https:')) return false
    const [host = '', port] = name.split(':')
    if (port === undefined ? url.port !== '' : url.port !== port && !(url.port === '' && isDefault(url, port)))
      return false
    return host.startsWith('*.') ? url.hostname.endsWith(host.slice(1)) : url.hostname === host
  })
}

function isDefault({ protocol }: URL, port: string): boolean {
  return port === (protocol === 'https:' ? '443' : '80')
}
