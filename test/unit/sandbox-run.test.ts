import { expect, test } from 'vitest'
import { guest, startSandbox } from '../support/sandbox-service.ts'

test('a tool is run and answers with a text as it is, or with JSON', async () => {
  const { run, lines } = startSandbox({
    plugins: {
      text: guest('return `hello ${input.name}`'),
      json: guest('return { twice: input.count * 2, unit: settings.unit }'),
    },
  })
  const said = await run('text', { input: { name: 'Ada' } }).catch((e) => {
    console.log(lines.join('\n'))
    throw e
  })
  expect(said).toEqual({ status: 'success', output: 'hello Ada', metadata: null, fault: null })
  expect(await run('json', { input: { count: 21 }, settings: { unit: 'm' } })).toEqual({
    status: 'success',
    output: '{"twice":42,"unit":"m"}',
    metadata: { format: 'json' },
    fault: null,
  })
})
