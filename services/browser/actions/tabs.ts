import type { ActionContext, Actions } from './action.ts'
import { loadAddress, whereabouts } from './navigation.ts'

export const tabActions: Actions<'tabs' | 'new_tab' | 'switch_tab' | 'close_tab' | 'dialogs'> = {
  async tabs(_, { session, tab: active }) {
    const tabs = await Promise.all(
      session.tabs.list().map(async (tab) => ({
        tab: tab.number,
        url: tab.url,
        title: await tab.title(),
        active: tab === active,
      })),
    )
    return { tabs, count: tabs.length }
  },
  async new_tab({ url }, context) {
    const tab = await context.session.tabs.open()
    const loaded = url === undefined ? {} : await loadAddress(url, 'load', { ...context, tab })
    return { tab: tab.number, ...(await whereabouts({ tab })), ...loaded }
  },
  async switch_tab({ tab: number }, { session: { tabs } }) {
    const tab = tabs.switchTo(tabs.load(number))
    await tab.page.bringToFront()
    return { tab: tab.number, ...(await whereabouts({ tab })) }
  },
  async close_tab({ tab: number }, context) {
    const { tabs } = context.session
    const closed = number === undefined ? context.tab : tabs.load(number)
    await tabs.close(closed)
    const active = await tabs.active()
    return { closed: closed.number, tab: active.number, url: active.url }
  },
  async dialogs({ answer, text }, { session }: ActionContext) {
    session.dialogAnswer = { accept: answer === 'accept', text }
    return { answer, ...(text !== undefined && { text }) }
  },
}
