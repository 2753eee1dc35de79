import { beginningOf, sentencesOf } from '../sentences.ts'

/** Of a message that is looked through for facts, in bytes, and its clauses; longer ones are rarely about their writer. */
export const maxReadBytes = 16_384
const maxClauses = 200
const maxClauseLength = 400

export interface Statement {
  /** As it was written. */
  sentence: string
  /** What it says by itself: not quoted, not asked, not supposed, not told of others. */
  clauses: string[]
}

/** Stands in the place of what is quoted, which is nobody's statement here. */
const aside = /\uE000(\d+)\uE001/g

const code = /```[\s\S]*?(?:```|$)|`[^`\n]*`/g
const quoted =
  /"[^"\n]*"|“[^”\n]*”|„[^“”\n]*[“”]|«[^»\n]*»|‹[^›\n]*›|(?<![\p{L}\p{N}])['‘][^'‘’\n]{2,}['’](?![\p{L}\p{N}])/gu
const quotedLine = /^[ \t]*>.*$/gm
/** What follows is material to work on, or somebody else's words. */
const material =
  /\b(?:translate|summari[sz]e|rewrite|rephrase|paraphrase|proofread|correct|edit|improve|analy[sz]e|explain|reply to|answer|read|check|fix|classify|following|e-?mail|letter|text|quote|example|sentence|lyrics|says|said|wrote|writes|übersetze?|fasse|korrigiere|folgende[nrs]?|schrieb|sagte|beispiel)\b[^.!?\n]{0,120}:\s[\s\S]*$/iu
/** From here on nothing is meant as it is said. */
const fiction =
  /\b(?:role-?play\w*|pretend\w*|imagin(?:e|ing)|suppos(?:e|ing) (?:that )?(?:i|my|we|you)|let's (?:say|assume|suppose)|hypothetically|in (?:this|the|my) (?:story|dream|novel|game|scenario)|in character|(?:write|compose|draft|make up|tell)\b.{0,40}\b(?:story|poem|song|dialogue|letter|e-?mail|script|bio|cover letter)|rollenspiel|stell dir vor|angenommen|nehmen wir an|tu so, als)\b/iu
const supposed =
  /^(?:if|unless|when|whenever|in case|as if|were i|had i|should i|suppose|assuming|what if|wenn|falls|sofern|sobald|als ob)\b|\b(?:if|unless|as though|as if|i wish|would|could|might|(?<!\b(?:in|of|this|next|last|on|is|\d{1,2}|\d{1,2}(?:st|nd|rd|th)) )may(?! \d)|maybe|perhaps|possibly|probably|falls|vielleicht|würde|könnte|hätte|wäre|möglicherweise|wahrscheinlich)\b/iu
const told =
  /\b(?:said|says|say|told|tells|claims?|claimed|thinks?|thought|believes?|believed|wrote|writes|asked|asks|wonders?|insists?|mentioned|according to|sagt|sagte|meint|meinte|behauptet|glaubt|denkt|erzählt|schreibt|laut)\b/iu
const toldByMyself =
  /^(?:as )?(?:i|we)(?:'ve| have)?(?: already| just)? (?:told you|said|mentioned)(?: that| before|,)*\s*/i
const asking =
  /^(?:what|who|whom|whose|where|when|why|how|which|do|does|did|am|is|are|was|were|can|could|will|would|shall|should|may|might|have|has|had|isn't|aren't|don't|doesn't|was|wer|wie|wo|wann|warum|wieso|welche[rsn]?|bin|bist|ist|sind|habe?|hast|hat|kann|kannst|magst|weißt|soll)\b/iu
const leading =
  /^(?:(?:hi|hello|hey|hallo|moin|servus|well|so|ok|okay|yes|yeah|yep|yup|no|nope|oh|ah|also|and|but|actually|honestly|sorry|thanks|thank you|btw|by the way|fyi|for the record|just so you know|as you know|anyway|plus|because|since|though|although|while|please note that|note that|you should know that|ja|nein|doch|also|übrigens|und|aber|danke|good (?:morning|evening|afternoon)|guten (?:tag|morgen|abend))(?: (?:there|keel|again))?(?:[,!:.…-]+\s*|\s+))+/iu
const ordinal =
  /\b(\d{1,2})\. (?=(?:januar|februar|märz|april|mai|juni|juli|august|september|oktober|november|dezember)\b)/giu
const clauseEnd =
  /\s*[;—–]\s*|\s+-\s+|\s*,?\s+(?=(?:and|but|so|because|while|though|although|und|aber|weil)\s+(?:i|i'm|i've|my|we|our|ich|mein|meine|wir)\b)|\s*,\s*(?=(?:i|i'm|i've|my|we|our|ich|mein|meine|wir|what|who|where|when|how|can|could|do|is)\b)/iu

/** Without what is quoted, cited, or given as material to work on. */
export function ownWords(text: string): string {
  return setAsides(text, () => ' … ')
}

function setAsides(text: string, setAside: (words: string) => string): string {
  return beginningOf(text, maxReadBytes)
    .replaceAll(/[\uE000\uE001]/g, ' ')
    .replaceAll('’', "'")
    .replace(code, setAside)
    .replace(quotedLine, ' ')
    .replace(quoted, setAside)
    .replace(material, '')
}

export function statementsOf(text: string): Statement[] {
  const asides: string[] = []
  const setAside = (words: string) => `\uE000${asides.push(words) - 1}\uE001`
  const own = setAsides(text, setAside)
    // A German day of the month ends no sentence.
    .replace(ordinal, '$1 ')
  const statements: Statement[] = []
  let left = maxClauses
  for (const whole of own.split(/\n+/).flatMap(sentencesOf)) {
    const sentence = whole.replaceAll(/\s+/g, ' ').trim()
    if (sentence === '') continue
    if (fiction.test(sentence)) break
    const clauses = clausesOf(sentence).slice(0, left)
    left -= clauses.length
    statements.push({ sentence: sentence.replace(aside, (_, at: string) => asides[Number(at)] ?? ''), clauses })
    if (left <= 0) break
  }
  return statements
}

/** The clauses of a part of a sentence, such as what is to be remembered. */
export function clausesOf(sentence: string): string[] {
  const bare = withoutLead(sentence)
  const beginning = /^\S+(?: [^\s,;]+)?/.exec(bare)?.[0] ?? ''
  if (bare === '' || supposed.test(beginning) || told.test(bare)) return []
  const isQuestion = /[?？؟]["')\s]*$/.test(bare)
  if (isQuestion && asking.test(bare)) return []
  const clauses = bare
    .split(clauseEnd)
    .map(withoutLead)
    .filter((clause) => clause !== '')
  // A statement may stand before a question, but is none where the question is about itself: "I like tea, right?"
  if (isQuestion && (clauses.length < 2 || !asking.test(clauses.at(-1) ?? ''))) return []
  return (isQuestion ? clauses.slice(0, -1) : clauses)
    .filter((clause) => clause.length <= maxClauseLength && !supposed.test(clause) && !asking.test(clause))
    .map((clause) => clause.replace(/[\s.!,:…]+$/u, ''))
}

function withoutLead(text: string): string {
  return text.trim().replace(leading, '').replace(toldByMyself, '').replace(leading, '').trim()
}

/** Whether a text has nothing but questions. */
export function isOnlyAsking(text: string): boolean {
  return sentencesOf(text).every((sentence) => sentence.trim() === '' || /[?？؟]["')\s]*$/.test(sentence))
}
