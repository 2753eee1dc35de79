import { age, animal, language, oneRelation, owned, people, profession, relation } from './english-words.ts'
import { type Fact, fact, favouriteOf, feeling, keyOf, retraction } from './fact.ts'
import { dated, dayShape, monthShape, personName, place, thing } from './phrases.ts'
import { either, type Heard, on, type Rule } from './rule.ts'

const adverbs =
  '(?:(?:really|absolutely|just|also|still|currently|now|always|usually|truly|generally|mostly|totally|personally|quite|recently|finally|both|rather|especially|officially|originally|happily) )*'
const am = "i(?:'m| am)"
const not = "(?<not>(?:do not|don't|dont|no longer|never|can't|cannot) )?"
const notAm = '(?<not>(?:not|no longer) )?'
const shape = (source: string) => new RegExp(`^${source}$`, 'iu')

const name = { category: 'identity', key: 'name', name: "the user's name", importance: 9 }
const home = { category: 'home', key: 'home', name: 'lives in', importance: 8 }
const employer = { category: 'work', key: 'employer', name: 'works for', importance: 7 }
const job = { category: 'work', key: 'job', name: 'works as', importance: 7 }
const birthday = { category: 'date', key: 'birthday', name: 'birthday, was born on', importance: 8 }

export function relative(said: string | undefined, called: string | null): Heard | null {
  const who = (said ?? '')
    .toLowerCase()
    .replace(/^(?:older|younger|eldest|oldest|youngest|little|big|twin|late|new) /, '')
  if (called === null) return null
  const one = new RegExp(`^(?:${oneRelation})$`).test(who)
  const category = /boss|colleague|co-?worker|manager|teacher|doctor|dentist|therapist|land/.test(who)
    ? 'contact'
    : 'family'
  return {
    facts: fact(
      { category, key: one ? keyOf(who) : keyOf(`${who} ${called}`), name: `the user's ${who}`, importance: 7 },
      called,
    ),
    people: [{ relation: who, name: called }],
  }
}

export const englishRules: readonly Rule[] = [
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
  {
    shape: shape(`my favou?rite (?<what>[\\p{L}\\p{N} '-]{2,40}?) (?:is|are) (?<value>.+)`),
    hear: ({ what = '', value }) => favourite(what, value),
  },
  {
    shape: shape(`(?<value>[\\p{L}\\p{N} '&-]{1,40}) (?:is|are) my (?:all-time )?favou?rite (?<what>[\\p{L} ]{2,40})`),
    hear: ({ what = '', value }) => favourite(what, value),
  },
  {
    shape: shape(`i ${adverbs}prefer (?<what>.+)`),
    hear: ({ what }) => on(thing(what), (better) => feeling('prefers', better)),
  },
  {
    shape: shape(`i ${not}${adverbs}(?<verb>like|love|enjoy|adore|hate|dislike|detest|loathe|stand) (?<what>.+)`),
    hear: ({ not: denied, verb = '', what }) => {
      const object = thing(what)
      const bad = /hate|dislike|detest|loathe/i.test(verb)
      // "I don't hate it" says nothing; "I stand" is no feeling, and "I can't stand" is.
      if (object === null || (bad && denied) || (/stand/i.test(verb) && !/^(?:can't|cannot) /i.test(denied ?? '')))
        return null
      return feeling(bad || denied ? 'dislikes' : 'likes', object)
    },
  },
  {
    shape: shape(`${am} ${notAm}${adverbs}(?:into|fond of|keen on|an? (?:big |huge |great )?fan of) (?<what>.+)`),
    hear: ({ not: denied, what }) => on(thing(what), (object) => feeling(denied ? 'dislikes' : 'likes', object)),
  },
  {
    shape: shape(`my (?<pet>${animal})(?:'s name is| is (?:called|named)) (?<name>.+)`),
    hear: ({ pet = '', name: called }) => having(pet, personName(called)),
  },
  {
    shape: shape(`my ${age}(?<who>${relation})(?:'s name is| is (?:called|named)) (?<name>.+)`),
    hear: ({ who, name: called }) => relative(who, personName(called)),
  },
  {
    shape: /^(?<name>\p{Lu}\p{L}+(?: \p{Lu}\p{L}+)?) is my (?<who>[\p{L} -]+)$/u,
    hear: ({ who = '', name: called }) =>
      shape(`${age}(?:${relation})`).test(who) ? relative(who, personName(called, { capital: true })) : null,
  },
  {
    shape: new RegExp(`^(?:.{0,80} )?[Mm]y (?<who>${age}(?:${relation})) (?<name>\\p{Lu}\\p{L}+)(?: .*)?$`, 'u'),
    hear: ({ who, name: called }) => relative(who, personName(called, { capital: true })),
  },
  {
    shape: shape(
      `(?:i|we)(?:'ve| have)(?: got)? (?<many>an?|one|two|three|four|five|six|seven|\\d{1,2}) (?<who>sons?|daughters?|kids?|children|child|brothers?|sisters?|siblings?)`,
    ),
    hear: ({ many = '', who = '' }) =>
      fact(
        { category: 'family', key: /son|daughter|kid|child/i.test(who) ? 'children' : 'siblings', name: `has ${who}` },
        `${many} ${who}`,
      ),
  },
  {
    shape: shape(`${am} ${adverbs}(?<state>married|engaged|single|divorced|widowed)(?: to (?<name>\\p{Lu}.*))?`),
    hear: ({ state = '', name: called }) => ({
      facts: fact({ category: 'family', key: 'marital_status', name: 'marital status' }, state),
      people: /^married$/i.test(state)
        ? [personName(called, { capital: true })].flatMap((other) =>
            other ? [{ relation: 'spouse', name: other }] : [],
          )
        : [],
    }),
  },
  {
    shape: shape(
      `(?:i|we)(?:'ve| have)? ${adverbs}(?:own|drive|adopted|bought|got|have) (?:an?|one|the) (?<what>[\\p{L}\\p{N} -]{2,50}?)(?:,? (?:named|called) (?<name>.+))?`,
    ),
    hear: ({ what = '', name: called }) => {
      const had = thing(what)
      return had && (called || new RegExp(`\\b(?:${owned})$`, 'i').test(had)) ? having(had, personName(called)) : null
    },
  },
  {
    shape: shape(`i (?:own|drive) (?:an?|the) (?<what>.+)`),
    hear: ({ what }) => on(thing(what), (had) => having(had, null)),
  },
  {
    shape: shape(
      `(?:i (?:no longer (?:have|own)|don't (?:have|own)|do not (?:have|own)|sold|gave away|got rid of|lost)) (?:an?|my|our|the|any) (?<what>.+?)(?: any ?more)?`,
    ),
    hear: ({ what }) =>
      on(thing(what), (had) => retraction({ category: 'possession', key: keyOf(had), name: 'has' }, null)),
  },
  {
    shape: shape(
      `my (?<what>[\\p{L}\\p{N}' -]{3,50}?) (?:is|starts|begins|ends|takes place|was moved to|is due) (?:on |in |at )?(?<day>${dayShape})`,
    ),
    hear: ({ what = '', day = '' }, at) =>
      fact({ category: 'date', key: keyOf(what), name: `when ${what}`, importance: 7 }, dated(day, at)),
  },
  {
    shape: shape(
      `(?:i|we)(?:'ve| have)(?: got)? (?:an? |my |our |the )(?<what>[\\p{L}\\p{N}' -]{3,60}?) (?:on |in )?(?<day>${dayShape})`,
    ),
    hear: ({ what = '', day = '' }, at) =>
      fact({ category: 'date', key: keyOf(what), name: `when ${what}`, importance: 7 }, dated(day, at)),
  },
]

function favourite(what: string, value: string | undefined): Fact[] | null {
  const best = thing(value)
  if (best === null || /^(?:he|she|who|which|all)\b/i.test(best)) return null
  return fact(
    {
      category: 'preference',
      key: keyOf(favouriteOf(what)),
      name: `favourite ${what}, favorite`,
    },
    best,
  )
}

function having(what: string, called: string | null): Fact[] {
  const known = { category: 'possession', key: keyOf(called ? `${what} ${called}` : what), name: `has ${what}` }
  return fact(known, called ? `${what} named ${called}` : what)
}
