import { adverbs, age, am, animal, not, notAm, oneRelation, owned, relation, shape } from './english-words.ts'
import { type Fact, fact, favouriteOf, feeling, keyOf, retraction } from './fact.ts'
import { dated, dayShape, personName, thing } from './phrases.ts'
import { type Heard, on, type Rule } from './rule.ts'

function relative(said: string | undefined, called: string | null): Heard | null {
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

/** What somebody likes, has and looks forward to, and whom he knows. */
export const englishWorld: readonly Rule[] = [
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
