import { fact, feeling, keyOf, retraction } from './fact.ts'
import { dated, dayShape, monthShape, personName, place, thing } from './phrases.ts'
import { either, on, type Rule } from './rule.ts'

const adverbs = '(?:(?:wirklich|auch|immer|noch|gerade|zurzeit|derzeit|jetzt|sehr|nun|seit \\S+(?: \\S+)?) )*'
const shape = (source: string) => new RegExp(`^${source}$`, 'iu')
const relations: Record<string, string> = {
  frau: 'wife',
  mann: 'husband',
  freundin: 'girlfriend',
  freund: 'friend',
  mutter: 'mother',
  mama: 'mother',
  vater: 'father',
  papa: 'father',
  schwester: 'sister',
  bruder: 'brother',
  tochter: 'daughter',
  sohn: 'son',
  chef: 'boss',
  chefin: 'boss',
  kollege: 'colleague',
  kollegin: 'colleague',
}
const ofOne = /^(?:wife|husband|girlfriend|mother|father|boss)$/
const who = Object.keys(relations).join('|')
const animal = 'Hund|Katze|Kater|Hündin|Hasen?|Pferd|Vogel|Hamster|Papagei'
const home = { category: 'home', key: 'home', name: 'lives in, wohnt in', importance: 8 }
const employer = { category: 'work', key: 'employer', name: 'works for, arbeitet bei', importance: 7 }
const job = { category: 'work', key: 'job', name: 'works as, Beruf', importance: 7 }

/** The commonest sentences by which people tell of themselves; kept under the same keys as the English ones. */
export const germanRules: readonly Rule[] = [
  {
    shape: shape('(?:ich hei(?:ß|ss)e|mein (?:vor)?name ist) (?:(?<not>nicht) )?(?<name>.+)'),
    hear: ({ not, name }) =>
      either(not, { category: 'identity', key: 'name', name: "the user's name", importance: 9 }, personName(name)),
  },
  {
    shape: shape(`ich (?:wohne|lebe) ${adverbs}(?<not>nicht (?:mehr )?)?in (?<where>.+)`),
    hear: ({ not, where }, _, clause) => either(not, home, place(where, clause)),
  },
  {
    shape: shape('ich bin (?:gerade |kürzlich )?nach (?<where>.+) (?:um)?gezogen'),
    hear: ({ where }, _, clause) => either(undefined, home, place(where, clause)),
  },
  {
    shape: shape(`ich (?:komme|stamme) ${adverbs}aus (?<where>.+)`),
    hear: ({ where }, _, clause) =>
      either(undefined, { category: 'home', key: 'origin', name: 'comes from, kommt aus' }, place(where, clause)),
  },
  {
    shape: shape(`ich arbeite ${adverbs}(?<not>nicht (?:mehr )?)?(?:bei|für) (?<where>.+)`),
    hear: ({ not, where }) => either(not, employer, thing(where)),
  },
  {
    shape: shape(`ich (?:arbeite ${adverbs}als|bin von Beruf) (?:ein(?:e|en)? )?(?<job>.+)`),
    hear: ({ job: as }) => either(undefined, job, thing(as)),
  },
  {
    shape: shape('ich bin (?<job>.+) von Beruf'),
    hear: ({ job: as }) => either(undefined, job, thing(as)),
  },
  {
    shape: shape(
      `(?:mein Geburtstag ist|ich habe|ich bin) (?:am |im )?(?<day>${dayShape}|${monthShape})(?: Geburtstag| geboren)?`,
    ),
    hear: ({ day = '' }, at) =>
      fact({ category: 'date', key: 'birthday', name: 'birthday, Geburtstag', importance: 8 }, dated(day, at)),
  },
  {
    shape: shape('ich bin (?<years>\\d{1,3})(?: Jahre alt)?'),
    hear: ({ years = '' }, at) =>
      Number(years) > 4 && Number(years) < 120
        ? fact({ category: 'identity', key: 'age', name: 'age, Alter' }, `${years} (said on ${at.slice(0, 10)})`)
        : null,
  },
  {
    shape: shape(
      '(?:ich )?(?<verb>mag|liebe|hasse) (?:(?<before>keine?n?|nicht) )?(?<what>.+?)(?<after> (?:überhaupt |gar |leider )*nicht(?: mehr)?)?',
    ),
    hear: ({ verb = '', before, after, what }) =>
      on(thing(what), (object) => {
        const denied = before ?? after
        const hated = /hasse/i.test(verb)
        return hated && denied ? null : feeling(hated || denied ? 'dislikes' : 'likes', object)
      }),
  },
  {
    shape: shape('mein(?:e|en|em)? Lieblings(?<what>[\\p{L}-]+) (?:ist|sind|heißt) (?<value>.+)'),
    hear: ({ what = '', value }) =>
      on(thing(value), (best) =>
        fact({ category: 'preference', key: keyOf(`favourite ${what}`), name: `favourite, Lieblings${what}` }, best),
      ),
  },
  {
    shape: shape(`meine? (?<who>${who}) (?:heißt|heisst) (?<name>.+)`),
    hear: ({ who: german = '', name }) =>
      on(personName(name), (called) => {
        const relation = relations[german.toLowerCase()] ?? german
        const key = ofOne.test(relation) ? relation : keyOf(`${relation} ${called}`)
        const category = /boss|colleague/.test(relation) ? 'contact' : 'family'
        return {
          facts: fact({ category, key, name: `the user's ${relation}, ${german}`, importance: 7 }, called),
          people: [{ relation, name: called }],
        }
      }),
  },
  {
    shape: shape(
      `ich habe (?:einen?|eine) (?<pet>${animal})(?:,? (?:namens|der|die|das) (?<name>\\p{L}+)(?: heißt)?)?`,
    ),
    hear: ({ pet = '', name }) =>
      fact(
        { category: 'possession', key: keyOf(name ? `${pet} ${name}` : pet), name: `has, hat ${pet}` },
        name ? `${pet} namens ${name}` : pet,
      ),
  },
  {
    shape: shape('ich habe (?:keine?n?) (?<what>.+?) mehr'),
    hear: ({ what }) =>
      on(thing(what), (had) => retraction({ category: 'possession', key: keyOf(had), name: 'has' }, null)),
  },
  {
    shape: shape(`ich bin ${adverbs}(?<not>nicht )?allergisch gegen (?<what>.+)`),
    hear: ({ not, what }) =>
      on(thing(what), (cause) =>
        either(
          not,
          { category: 'health', key: `allergy_${keyOf(cause)}`, name: 'allergy, Allergie', importance: 9 },
          `allergic to ${cause}`,
        ),
      ),
  },
  {
    shape: shape(
      'ich bin (?<not>kein(?:e)? (?:mehr )?)?(?<what>Vegetarier(?:in)?|Veganer(?:in)?|vegetarisch|vegan)(?: mehr)?',
    ),
    hear: ({ not, what = '' }) =>
      either(not, { category: 'health', key: 'diet', name: 'diet, eats', importance: 8 }, what),
  },
  {
    shape: shape(
      'ich spreche (?:fließend |etwas )?(?<which>Deutsch|Englisch|Französisch|Spanisch|Italienisch|Russisch|Polnisch|Türkisch|Arabisch|Chinesisch|Japanisch)',
    ),
    hear: ({ which = '' }) => fact({ category: 'language', key: keyOf(which), name: 'speaks' }, `speaks ${which}`),
  },
]
