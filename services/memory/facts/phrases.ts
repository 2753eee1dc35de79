/** What a value may have, in characters and words. */
const maxLength = 80
const maxWords = 10

/** Where a thing that was named ends, and the sentence goes on about something else. */
const tail =
  /\s*(?:,|\(|\uE000|\b(?:because|since|when|whenever|while|but|although|though|as well|too|very much|a lot|so much|more than anything|these days|right now|at the moment|currently|nowadays|anymore|any more|now|again|today|yesterday|last (?:week|month|year|night)|recently|which|who|that (?:i|we|is|was)|and (?:i|we|my|it|he|she|they)|weil|denn|sehr|gerne?|mehr|zurzeit|momentan|jetzt|seit)\b).*$/iu
const empty =
  /^(?:it|its|this|that|these|those|them|they|him|her|you|your|yours|me|us|one|what|how|where|when|why|whether|if|everything|nothing|something|anything|someone|him|there|here|the (?:idea|way|fact|first|second|third|last|one|other|same|new one|old one)\b|es|das|dies|dich|dir|dein|deine|sie|ihn|was|wie|wo|so|not|nicht|to (?:think|know|believe|see|be|say|hear))(?=$|[\s',.!])/iu

/** The thing that was named, or null where the words name none. */
export function thing(text: string | undefined): string | null {
  const cut = (text ?? '').replace(tail, '').replace(/^[\s"']+|[\s"'.!…]+$/gu, '')
  if (cut === '' || cut.length > maxLength || cut.split(' ').length > maxWords || empty.test(cut)) return null
  return /[\p{L}\p{N}]/u.test(cut) ? cut.replace(/^my /i, '') : null
}

const placeEnd =
  /\s*(?:,\s*(?!\p{Lu})|\(|\uE000|\b(?:with|since|for|near|now|and|but|where|which|because|at the|these days|currently|right now|again|last|this|next|mit|seit|und|zusammen|jetzt|in einer?|als)\b).*$/iu
const noPlace =
  /^(?:an?|my|this|that|work|school|home|class|fear|peace|hope|denial|sin|here|there|love|pain|poverty|luxury|harmony|debt|shared?|einer?|einem|meiner?|meinem|angst|frieden)\b/iu

/** A place: "the" is part of it only before a name. */
export function place(text: string | undefined, clause: string): string | null {
  const cut = (text ?? '').replace(placeEnd, '').replace(/[\s.!,]+$/u, '')
  if (cut === '' || cut.length > maxLength || cut.split(' ').length > 6 || noPlace.test(cut)) return null
  if (/^the (?!\p{Lu})/u.test(cut) || /^(?:der|dem) (?!\p{Lu})/u.test(cut)) return null
  // Who writes capitals at all writes them in names.
  if (/\p{Lu}/u.test(clause) && !/\p{Lu}|\p{Lo}/u.test(cut)) return null
  return /^\p{L}/u.test(cut) ? cut : null
}

const noName =
  /^(?:not|no|the|a|an|my|your|his|her|very|so|too|really|just|sorry|back|here|there|ready|fine|good|ok|okay|sure|done|it|that|this|none|going|unknown|private|secret|hard|easy|irrelevant|important|in|on|at|from|tomorrow|later|when|if|nicht|der|die|das|ein|eine|kein|geheim)$/iu

/** A person's name: one to four words that could be one. */
export function personName(
  text: string | undefined,
  { capital }: { capital: boolean } = { capital: false },
): string | null {
  const cut = (text ?? '')
    .replace(/\s*(?:[,(\uE000]|\b(?:and|but|by the way|who|which|or|aka|und|aber)\b).*$/iu, '')
    .replace(/[\s.!]+$/u, '')
  const words = cut.split(' ')
  if (cut === '' || cut.length > 60 || words.length > 4) return null
  if (
    !words.every((word) => /^\p{L}[\p{L}\p{M}'.-]*$/u.test(word)) ||
    words.some((word) => noName.test(word) || /.{3}ing$/u.test(word))
  )
    return null
  return !capital || words.every((word) => /^\p{Lu}|^\p{Lo}/u.test(word)) ? cut : null
}

const month =
  'january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|januar|februar|märz|mai|juni|juli|oktober|dezember'
const weekday =
  'monday|tuesday|wednesday|thursday|friday|saturday|sunday|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag'
const relative =
  '(?:the )?day after tomorrow|tomorrow|tonight|today|(?:this|next) (?:week|weekend|month|year|summer|winter|spring|autumn|fall)|übermorgen|morgen|heute|nächste[nsr]? (?:woche|monat|jahr)'
const number = '\\d{1,2}(?:st|nd|rd|th|\\.)?'
const calendar = `(?:the )?(?:${number} (?:of )?(?:${month})|(?:${month})\\.? ${number})(?:,? \\d{4})?|\\d{4}-\\d{2}-\\d{2}|\\d{1,2}[./]\\d{1,2}(?:[./]\\d{2,4})?\\.?`
const clock = "(?:,? (?:at|um) \\d{1,2}(?:[:.]\\d{2})?(?: ?(?:am|pm|o'clock|uhr))?)?"
/** A day as people write it, the calendar's, the week's, or one counted from today. */
export const dayShape = `(?:(?:(?:next|this|nächsten|kommenden) )?(?:${weekday})(?:,? ${calendar})?|${calendar}|${relative})${clock}`
/** Without day: a month or a year. */
export const monthShape = `(?:(?:${month})(?: \\d{4})?|\\d{4})`
const countedFromToday = new RegExp(`\\b(?:${weekday}|${relative})\\b`, 'iu')

/** What is counted from today says which day that was. */
export function dated(when: string, at: string): string {
  return countedFromToday.test(when) && !/\d{4}/.test(when) ? `${when} (said on ${at.slice(0, 10)})` : when
}
