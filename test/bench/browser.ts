import { setTimeout as delay } from 'node:timers/promises'
import { type Browser, chromium, type Page } from 'playwright'
import { findExecutable } from '../../services/browser/find-executable.ts'
import { forkBrowserService, type RunningBrowserService } from '../support/browser-service.ts'
import { type NastySite, startNastySite } from '../support/nasty-site.ts'
import { seededRandom } from '../support/seeded-random.ts'
import type { Bench, Figure } from './bench.ts'
import { quantile } from './quantile.ts'

const goal = 1.15
/** Far beyond it something is wrong, on any machine. */
const gross = 4
const warmUp = 5
const frameMs = 1_000 / 60

/** What a page has. */
declare const document: { title: string; body: { innerText: string }; documentElement: { outerHTML: string } }

/** The same done twice, and brought back: by a script of Playwright alone, and as an action of the service. */
interface Errand {
  name: string
  bare: (page: Page, origin: string) => Promise<unknown>
  ours: (service: RunningBrowserService, origin: string) => Promise<unknown>
}

const errands: Errand[] = [
  {
    name: 'navigate',
    async bare(page, origin) {
      await page.goto(`${origin}/second`)
      await page.title()
    },
    ours: (service, origin) => service.done('navigate', { url: `${origin}/second` }),
  },
  {
    name: 'click',
    bare: (page) => page.locator('#count').click(),
    ours: (service) => service.done('click', { selector: '#count' }),
  },
  {
    name: 'type',
    bare: (page) => page.locator('#name').fill('Ann'),
    ours: (service) => service.done('type', { selector: '#name', text: 'Ann' }),
  },
  {
    name: 'read',
    bare: (page) =>
      page.evaluate(() => [document.title, document.body.innerText, document.documentElement.outerHTML.length]),
    ours: (service) => service.done('read_page'),
  },
  {
    name: 'snapshot',
    bare: (page) => Promise.all([page.ariaSnapshot({ mode: 'ai' }), page.title()]),
    ours: (service) => service.done('snapshot'),
  },
  {
    name: 'screenshot',
    bare: (page) => page.screenshot(),
    ours: (service) => service.done('screenshot'),
  },
]

export const browser: Bench = {
  about: 'an action of the browser service, with its guard and its deadline, against bare Playwright in the same run',
  async run({ quick, seed, say }) {
    const random = seededRandom(seed)
    const rounds = quick ? 25 : 100
    const site = await startNastySite()
    const service = await forkBrowserService({ settings: { allowed_hosts: [site.host] } })
    const bare = await chromium.launch({ executablePath: await findExecutable(null), args: ['--headless=new'] })
    try {
      const compared: Compared[] = []
      for (const errand of errands) {
        say(`${errand.name}, ${rounds} times each`)
        compared.push(await compare(errand, rounds, { site, service, bare, random }))
      }
      const sum = (side: 'bareMs' | 'oursMs') => compared.reduce((total, one) => total + one[side], 0)
      return [...compared, { name: 'all six', bareMs: sum('bareMs'), oursMs: sum('oursMs') }].flatMap(figuresOf)
    } finally {
      await bare.close()
      await service.close()
      await site.close()
    }
  },
}

interface Sides {
  site: NastySite
  service: RunningBrowserService
  bare: Browser
  random: () => number
}

interface Compared {
  name: string
  bareMs: number
  oursMs: number
}

/** In turn, so that whatever else the machine does befalls both alike. */
async function compare({ name, bare, ours }: Errand, rounds: number, sides: Sides): Promise<Compared> {
  const { origin } = sides.site
  const page = await sides.bare.newPage({ viewport: { width: 1_280, height: 720 } })
  await page.goto(origin)
  await sides.service.done('navigate', { url: origin })
  const times = { bare: [] as number[], ours: [] as number[] }
  for (let round = 0; round < rounds + warmUp; round++) {
    // A browser does much of its work when it paints: neither side begins with the other's end, or always in step.
    await delay(sides.random() * frameMs)
    const bareMs = await timed(() => bare(page, origin))
    await delay(sides.random() * frameMs)
    const oursMs = await timed(() => ours(sides.service, origin))
    if (round < warmUp) continue
    times.bare.push(bareMs)
    times.ours.push(oursMs)
  }
  await page.close()
  return { name, bareMs: quantile(times.bare, 0.5), oursMs: quantile(times.ours, 0.5) }
}

function figuresOf({ name, bareMs, oursMs }: Compared): Figure[] {
  return [
    { what: `${name}, bare Playwright`, value: bareMs, unit: 'ms p50' },
    { what: '… as an action of the service', value: oursMs, unit: 'ms p50' },
    {
      what: '… of the bare time',
      value: oursMs / bareMs,
      unit: 'ratio',
      goal: { atMost: goal },
      gross: { atMost: gross },
    },
  ]
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}
