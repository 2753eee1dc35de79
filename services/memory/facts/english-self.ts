import { adverbs, am, language, not, notAm, people, profession, shape } from './english-words.ts'
import { fact, keyOf } from './fact.ts'
import { dated, dayShape, monthShape, personName, place, thing } from './phrases.ts'
import { either, type Rule } from './rule.ts'

const name = { category: 'identity', key: 'name', name: "the user's name", importance: 9 }
const home = { category: 'home', key: 'home', name: 'lives in', importance: 8 }
const employer = { category: 'work', key: 'employer', name: 'works for', importance: 7 }
const job = { category: 'work', key: 'job', name: 'works as', importance: 7 }
const birthday = { category: 'date', key: 'birthday', name: 'birthday, was born on', importance: 8 }

/** Who somebody is, where he lives, what he works, how he is. */
export const englishSelf: readonly Rule[] = [
  {
    shape: shape(`my (?:full |first |real )?name(?:'s| is)(?: (?:not|no longer) (?<old>.+)| (?<name>.+))`),
    hear: ({ old, name: called }) =>
      old === undefined ? either(undefined, name, personName(called)) : either('not', name, personName(old)),
  },
  {
    shape: shape(`${am} (?:called|named) (?<name>.+)`),
    hear: ({ name: called }) => either(undefined, name, personName(called)),
  },
  {
    shape: /^(?:I'm|I am|i'm|i am) (?<name>\p{Lu}\p{L}+(?: \p{Lu}\p{L}+)?)$/u,
    hear: ({ name: called = '' }) =>
      new RegExp(`^(?:${people}|${language}|muslim|christian|jewish|catholic|buddhist|hindu)$`, 'i').test(called)
        ? null
        : either(undefined, { ...name, confidence: 0.7 }, personName(called, { capital: true })),
  },
  {
    shape: shape('(?:please |you can |you may |just )?call me (?<name>.+?)(?: please| from now on)?'),
    hear: ({ name: called }) =>
      either(
        undefined,
        { ...name, key: 'nickname', name: 'wants to be called' },
        personName(called, { capital: true }),
      ),
  },
  {
    shape: shape(`i ${not}${adverbs}live (?:in|near) (?<where>.+?)(?<more> any ?more)?`),
    hear: ({ not: denied, where }, _, clause) => either(denied, home, place(where, clause)),
  },
  {
    shape: shape(
      `(?:i(?:'ve| have) (?:been living|lived) in|${am} ${adverbs}(?:living|based) in|i(?:'ve| have)? ${adverbs}moved (?:back )?to) (?<where>.+)`,
    ),
    hear: ({ where }, _, clause) => either(undefined, home, place(where, clause)),
  },
  {
    shape: shape(`(?:${am} ${adverbs}from|i ${adverbs}(?:come|came) from|i grew up in|my home ?town is) (?<where>.+)`),
    hear: ({ where }, _, clause) =>
      either(undefined, { category: 'home', key: 'origin', name: 'comes from, grew up in' }, place(where, clause)),
  },
  {
    shape: shape(`i was born (?:on|in) (?<day>${dayShape}|${monthShape})`),
    hear: ({ day = '' }) => fact(birthday, day),
  },
  {
    shape: shape('i was born in (?<where>\\p{L}.+)'),
    hear: ({ where }, _, clause) =>
      either(undefined, { category: 'home', key: 'birthplace', name: 'was born in' }, place(where, clause)),
  },
  {
    shape: shape(`my (?:birthday|date of birth)(?:'s| is) (?:on |in )?(?<day>${dayShape}|${monthShape})`),
    hear: ({ day = '' }, at) => fact(birthday, dated(day, at)),
  },
  {
    shape: shape(`(?:${am}|i just turned) (?<years>\\d{1,3})(?: years old)?`),
    hear: ({ years = '' }, at) =>
      Number(years) > 4 && Number(years) < 120
        ? fact({ category: 'identity', key: 'age', name: 'age, how old' }, `${years} (said on ${at.slice(0, 10)})`)
        : null,
  },
  {
    shape: shape('my pronouns are (?<which>[\\p{L}/ ]{2,30})'),
    hear: ({ which = '' }) => fact({ category: 'identity', key: 'pronouns', name: 'pronouns' }, which),
  },
  {
    shape: shape(`${am} ${adverbs}(?<people>${people})`),
    hear: ({ people: which = '' }) => fact({ category: 'identity', key: 'nationality', name: 'nationality' }, which),
  },
  {
    shape: shape(
      `i ${not}${adverbs}speak (?:fluent |some |a little |a bit of )?(?<which>(?:${language})(?:(?:, | and |, and )(?:${language}))*)(?: fluently)?`,
    ),
    hear: ({ not: denied, which = '' }) =>
      which
        .split(/, and | and |, /)
        .flatMap(
          (each) => either(denied, { category: 'language', key: keyOf(each), name: 'speaks' }, `speaks ${each}`) ?? [],
        ),
  },
  {
    shape: shape('my (?:native language|mother tongue|first language) is (?<which>\\p{L}+)'),
    hear: ({ which = '' }) =>
      fact({ category: 'language', key: 'native_language', name: 'native language, mother tongue' }, which),
  },
  {
    shape: shape(`i ${not}${adverbs}work (?:at|for|with) (?<where>.+?)(?: as an? (?<job>.+?))?(?: any ?more)?`),
    hear: ({ not: denied, where, job: as }) => {
      const which = thing(where)
      if (which === null || /^(?:night|home|once|all|weekends?|myself|least|first|free|a living)\b/i.test(which))
        return null
      return [...(either(denied, employer, which) ?? []), ...(either(denied, job, thing(as)) ?? [])]
    },
  },
  {
    shape: shape(
      `(?:${am} ${adverbs}employed (?:at|by)|my employer is|i(?:'ve| have)? (?:just )?started (?:working )?at) (?<where>.+)`,
    ),
    hear: ({ where }) => either(undefined, employer, thing(where)),
  },
  {
    shape: shape(`i ${not}${adverbs}work as an? (?<job>.+?)(?: (?:at|for) (?<where>.+?))?(?: any ?more)?`),
    hear: ({ not: denied, where, job: as }) => [
      ...(either(denied, job, thing(as)) ?? []),
      ...(either(denied, employer, thing(where)) ?? []),
    ],
  },
  {
    shape: shape(
      `${am} ${notAm}${adverbs}an? (?!(?:bad|good|great|terrible|poor|fast|slow|lousy|decent|better|horrible|careful)\\b)(?<job>(?:[\\p{L}-]+ ){0,3}(?:${profession}))(?: by profession| by trade)?(?: (?:at|for) (?<where>.+?))?(?: any ?more)?`,
    ),
    hear: ({ not: denied, job: as = '', where }) => [
      ...(either(denied, job, as) ?? []),
      ...(either(denied, employer, thing(where)) ?? []),
    ],
  },
  {
    shape: shape(`${am} ${adverbs}(?<state>retired|unemployed|self-employed)`),
    hear: ({ state = '' }) => fact(job, state),
  },
  {
    shape: shape(`(?:i ${adverbs}study|${am} ${adverbs}studying) (?<what>.+)`),
    hear: ({ what }) => either(undefined, { category: 'work', key: 'studies', name: 'studies' }, thing(what)),
  },
  {
    shape: shape(`${am} ${notAm}${adverbs}(?:severely )?allergic to (?<what>.+)`),
    hear: ({ not: denied, what }) => {
      const cause = thing(what)
      const told = { category: 'health', key: `allergy_${keyOf(cause ?? '')}`, name: 'allergy', importance: 9 }
      return either(denied, told, cause === null ? null : `allergic to ${cause}`)
    },
  },
  {
    shape: shape(
      `${am} ${notAm}${adverbs}(?:a |an )?(?<what>vegetarian|vegan|pescatarian|lactose intolerant|gluten intolerant|coeliac|celiac|diabetic|asthmatic|colou?r-?blind|left-handed|deaf|blind|pregnant)`,
    ),
    hear: ({ not: denied, what = '' }) => {
      const diet = /^(?:veg|pesc)/i.test(what)
      const told = {
        category: 'health',
        key: diet ? 'diet' : keyOf(what),
        name: diet ? 'diet, eats' : 'health',
        importance: 8,
      }
      return either(denied, told, what)
    },
  },
]
