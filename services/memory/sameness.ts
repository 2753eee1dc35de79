/** Of the words of two texts, how many must be the same for one to say what the other says. */
const nearly = 0.9
const minNearWords = 8
/** Words that carry no meaning of their own. */
const small = new Set(
  'a an the and or of to in on at for with is are was were be am i my me we our you your it its this that der die das ein eine und oder ich mein meine wir ist sind'.split(
    ' ',
  ),
)
const turning =
  /^(?:not|no|never|none|nobody|nothing|without|neither|nor|nicht|kein\w*|nie|niemals|ohne|n't|\w+n't|cannot)$/u

/** What two texts share that differ in case, accents of form, spaces and punctuation alone. */
export function plainForm(text: string): string {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .replaceAll('’', "'")
      .match(/[\p{L}\p{M}\p{N}']+/gu) ?? []
  ).join(' ')
}

export function saysTheSame(one: string, other: string): boolean {
  return one === other || (plainForm(one) === plainForm(other) && plainForm(one) !== '')
}

export interface Words {
  form: string
  all: ReadonlySet<string>
}

export function wordsOf(text: string): Words {
  const form = plainForm(text)
  return { form, all: new Set(form.split(' ').filter((word) => word !== '' && !small.has(word))) }
}

/**
 * Whether one repeats the other, perhaps with a word or two more. A word in another's place, a number or a "not" makes
 * another statement of it.
 */
export function nearlyTheSame(one: Words, other: Words): boolean {
  if (one.form === other.form) return one.form !== ''
  const [less, more] = one.all.size <= other.all.size ? [one.all, other.all] : [other.all, one.all]
  if (less.size < minNearWords || less.size / more.size < nearly || ![...less].every((word) => more.has(word)))
    return false
  return [...more].every((word) => less.has(word) || !(turning.test(word) || /\p{N}/u.test(word)))
}
