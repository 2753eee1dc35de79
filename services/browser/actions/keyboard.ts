import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import type { Actions } from './action.ts'
import { findElement, locate, locateOne, named, withElement } from './element.ts'

export const keyboardActions: Actions<'type' | 'press_key' | 'select'> = {
  async type({ selector, ref, text, submit }, context) {
    const target = { selector, ref }
    const locator = locateOne(target, context)
    await findElement(target, locator, context)
    await withElement(target, 'typed into', () => locator.fill(text, context.timeLeft()))
    if (submit) await withElement(target, 'submitted', () => locator.press('Enter', context.timeLeft()))
    return { ...named(target), text, length: text.length }
  },
  async press_key({ selector, ref, key }, context) {
    const target = { selector, ref }
    const locator = locate(target, context)
    try {
      if (locator) {
        await findElement(target, locator, context)
        await withElement(target, 'focused', () => locator.press(key, context.timeLeft()))
      } else await context.tab.page.keyboard.press(key)
    } catch (thrown) {
      if (!/Unknown key/.test(reasonOf(thrown))) throw thrown
      throw new RuntimeError('invalid', `There is no key '${key}'`, undefined, { cause: thrown })
    }
    return { ...named(target), key }
  },
  async select({ selector, ref, value }, context) {
    const target = { selector, ref }
    const locator = locateOne(target, context)
    await findElement(target, locator, context)
    const values = await withElement(target, 'set', () => locator.selectOption(value, context.timeLeft()))
    return { ...named(target), values }
  },
}
