import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as conventions from '@opentelemetry/semantic-conventions/incubating'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
/** Written as the key of an attribute, or as that of a content. */
const attribute = /'((?:gen_ai|http|rpc|messaging|error|server|service|process)\.[a-z_.]+)'(?=:|, \(\))/g

function attributesIn(folder: string): string[] {
  return globSync(`${folder}/**/*.ts`, { cwd: root, exclude: ['sdk/dist/**'] }).flatMap((file) =>
    [...readFileSync(`${root}${file}`, 'utf8').matchAll(attribute)].map(([, name = '']) => name),
  )
}

test('every attribute of a span that is not Keel’s own is one of the conventions', () => {
  const known = new Set<unknown>(Object.values(conventions))
  const used = new Set(['sdk/telemetry', 'sdk/rpc', 'kernel', 'services'].flatMap(attributesIn))
  // Were the shape above to find none, nothing would be compared.
  expect([...used]).toEqual(expect.arrayContaining(['gen_ai.operation.name', 'http.route', 'rpc.method', 'error.type']))
  expect([...used].filter((name) => !known.has(name))).toEqual([])
  const operations = ['chat', 'execute_tool', 'invoke_agent', 'embeddings']
  expect(operations.filter((name) => !known.has(name))).toEqual([])
})
