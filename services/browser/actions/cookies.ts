import { RuntimeError } from '#sdk/errors.ts'
import { browserBounds } from '#sdk/services/browser-actions.ts'
import type { Actions } from './action.ts'

export const cookieActions: Actions<'get_cookies' | 'set_cookies' | 'clear_cookies'> = {
  async get_cookies(_, { session }) {
    const cookies = await session.context.cookies()
    return { cookies: cookies.slice(0, browserBounds.cookies), count: cookies.length }
  },
  async set_cookies({ cookies }, { session, tab }) {
    await session.context.addCookies(
      cookies.map(({ name, value, url, domain, path, expires, httpOnly, secure, sameSite }) => ({
        name,
        value,
        ...placeOf({ url, domain, path }, tab.page.url()),
        ...(expires !== undefined && { expires }),
        ...(httpOnly !== undefined && { httpOnly }),
        ...(secure !== undefined && { secure }),
        ...(sameSite !== undefined && { sameSite }),
      })),
    )
    return { set: cookies.length }
  },
  async clear_cookies(_, { session }) {
    await session.context.clearCookies()
    return { cleared: true }
  },
}

interface Place {
  url?: string | undefined
  domain?: string | undefined
  path?: string | undefined
}

/** A cookie is of a URL or of a domain; of the page that is shown unless told. */
function placeOf({ url, domain, path }: Place, shown: string): { url: string } | { domain: string; path: string } {
  if (domain !== undefined) return { domain, path: path ?? '/' }
  const place = url ?? shown
  if (!/^https?:/.test(place))
    throw new RuntimeError('invalid', 'cookies: url or domain is required, as no page is shown')
  return { url: path === undefined ? place : new URL(path, place).href }
}
