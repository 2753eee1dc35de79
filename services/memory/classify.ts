import type { Exchange } from '#sdk/services/memory.ts'

export type TurnKind = 'tool_use' | 'financial' | 'social' | 'creative' | 'reasoning'

/** What is read of a text to tell its kind, in characters. */
const maxRead = 4_000
/** Two of these make a turn one about money. */
const money = [
  'transfer',
  'balance',
  'wallet',
  'payment',
  'usdc',
  'send funds',
  'überweis',
  'kontostand',
  'zahlung',
].map((word) => new RegExp(`(?<!\\p{L})${word}`, 'iu'))
const creation =
  /\b(?:(?:write|create|design|compose|draft|make up|invent) (?:me |us )?(?:an?|some|the)|draw|sketch|generate an?|schreib(?:e|st)? (?:mir )?(?:ein|eine|einen)|entwirf|erfinde|dichte)\b/iu
const courtesy =
  /(?<!\p{L})(?:hello|hi|hey|hiya|howdy|yo|good (?:morning|afternoon|evening|night|day)|greetings|thank(?:s| you)?|thx|ty|cheers|bye|goodbye|see (?:you|ya)(?: later| soon| tomorrow)?|how are (?:you|things)|how's it going|what's up|nice to (?:meet|see) you|you're welcome|no problem|ok(?:ay)?|cool|great|nice|perfect|awesome|wonderful|excellent|sounds good|got it|i see|sure|yes|yeah|yep|no|nope|lol|haha+|that|that's|it|it's|was|please|very much|so much|a lot|again|there|for (?:that|your help|the help|everything)|and you|hallo|guten (?:morgen|tag|abend)|gute nacht|moin|servus|tschüss|danke(?: schön| sehr)?|bitte(?: schön)?|wie geht(?:'s| es)?(?: dir| ihnen)?|ja|nein|gut|super|alles klar|bis (?:dann|bald|morgen)|vielen dank|hola|gracias|bonjour|merci|salut|ciao|grazie|olá|obrigado|привет|спасибо|你好|谢谢|こんにちは|ありがとう)(?!\p{L})/giu

/** Talk that tells nothing: greetings, thanks, a yes, an empty line. */
export function isTrivial(text: string): boolean {
  if (text.length > 200) return false
  return !/[\p{L}\p{N}]/u.test(text.replaceAll('’', "'").replace(courtesy, ' '))
}

export function isFinancial(text: string): boolean {
  const read = text.slice(0, maxRead)
  return money.filter((word) => word.test(read)).length >= 2
}

/** A polite request is still a request: only talk that is nothing but courtesy is social. */
export function turnKind({ question, tools }: Pick<Exchange, 'question' | 'tools'>): TurnKind {
  if (tools.length > 0) return 'tool_use'
  if (isFinancial(question.text)) return 'financial'
  if (isTrivial(question.text)) return 'social'
  return creation.test(question.text.slice(0, maxRead)) ? 'creative' : 'reasoning'
}
