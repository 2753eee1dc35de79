import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import type { Actions } from './action.ts'
import { locate, named, withElement } from './element.ts'

export const keyboardActions: Actions<'type' | 'press_key' | 'select'> = {
  async type({ selector, ref, text, submit }, context) {
    const target = { selector, ref }
    await withElement(target, 'typed into', context, (locator, options) => locator.fill(text, options))
    if (submit) await withElement(target, 'submitted', context, (locator, options) => locator.press('Enter', options))
    return { ...named(target), text, length: text.length }
  },
  async press_key({ selector, ref, key }, context) {
    const target = { selector, ref }
    try {
      if (locate(target, context))
        await withElement(target, 'focused', context, (locator, options) => locator.press(key, options))
      else await context.tab.page.keyboard.press(key)
    } catch (thrown) {
      if (!/Unknown key/.test(reasonOf(thrown))) throw thrown
      throw new RuntimeError('invalid', `There is no key '${key}'`, undefined, { cause: thrown })
    }
    return { ...named(target), key }
  },
  async select({ selector, ref, value }, context) {
    const target = { selector, ref }
    const values = await withElement(target, 'set', context, (locator, options) => locator.selectOption(value, options))
    return { ...named(target), values }
  },
}
