/** The text with each fenced block as its content and every other line as `readLine` reads it. */
export function withoutFences(source: string, readLine: (line: string) => string): string {
  const read: string[] = []
  let fenced = false
  for (const line of source.split('\n')) {
    const fence = fenced ? line === '```' : /^```[\w+#.-]*$/.test(line)
    if (fence) fenced = !fenced
    else if (fenced && line.includes('```')) throw new Error(`Fence within code: ${line}`)
    else read.push(fenced ? line : readLine(line))
  }
  if (fenced) throw new Error('Fence without an end')
  return read.join('\n')
}
