import { openPlugin, type TestedPlugin } from '@keel/sdk/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'

let plugin: TestedPlugin

beforeAll(async () => {
  plugin = await openPlugin(import.meta.dirname)
})

afterAll(() => plugin.close())

test.each([
  [10, 'mi', 'km', 16.09344],
  [100, '°F', 'celsius', 37.7777777778],
  [0, 'C', 'K', 273.15],
  [2, 'pounds', 'g', 907.18474],
  [1, 'GiB', 'MB', 1073.741824],
])('%d %s in %s', async (value, from, to, expected) => {
  expect(await plugin.call('convert_unit', { value, from, to })).toMatchObject({ value: expected })
})

test('what can not be converted is said plainly', async () => {
  await expect(plugin.call('convert_unit', { value: 1, from: 'mi', to: 'kg' })).rejects.toThrow(
    'mi is a unit of length',
  )
  await expect(plugin.call('convert_unit', { value: 1, from: 'parsec', to: 'm' })).rejects.toThrow('no unit "parsec"')
  await expect(plugin.call('convert_unit', { value: 'one', from: 'm', to: 'm' })).rejects.toThrow('value')
})

test('the units are listed by kind', async () => {
  expect(await plugin.call('list_units')).toMatchObject({ temperature: ['k', '°c', '°f'] })
})
