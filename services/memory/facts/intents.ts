/** What somebody wants kept in mind, said as a request for it. */
const remember =
  /^(?:(?:hey|hi|hello|ok|okay|and|also|so|well|keel)[,!]? )*(?:please,? |(?:can|could|will|would) you (?:please )?|bitte )?(?:(?:always |do )?remember|don't forget|do not forget|never forget|keep in mind|bear in mind|make a note|take a note|note|memori[sz]e|for your information|fyi|merk dir|merke dir|denk daran|denke daran|vergiss nicht|behalte|notier dir|notiere)(?: bitte)?(?:,? (?:that|dass|daß)\s+|\s*[:,]\s*(?:(?:that|dass) )?|\s+(?=to )|\s+(?=(?:my|i|i'm|our|we)\b))(?<what>.+)$/iu
const decided =
  /^(?:(?:i|we)(?:'ve| have)?(?: now| just| finally| both| all)* (?:decided|agreed|chosen|settled|opted)(?: together)? (?:to |on |that |for |against |not to )?|let's (?:go with|use|stick with|settle on|choose|pick) |(?:i|we)(?:'ll| will| are going to|'re going to| am going to|'m going to) (?:go with|stick with|settle on) |(?:the|our|my) (?:final )?decision is (?:to |that )?|(?:wir haben|ich habe) (?:uns |mich )?(?=.*\b(?:entschieden|beschlossen)$))(?<what>.+)$/iu
const wanted =
  /^(?:(?:i|we)(?: really| also| just)* (?:want|need|have|plan|intend|aim|hope|am trying|are trying)(?: you)? to |i'm (?:trying|planning|hoping|aiming) to |we're (?:trying|planning|hoping|aiming) to |(?:my|our) (?:goal|aim|plan|objective) is (?:to )?|help (?:me|us) (?:to )?|ich (?:will|möchte|muss) )(?<what>.{8,})$/iu

const maxLength = 500

function after(shape: RegExp, text: string): string | null {
  const what =
    shape
      .exec(text)
      ?.groups?.what?.replace(/[\s.!?]+$/u, '')
      .trim() ?? ''
  return what === '' || what.length > maxLength ? null : what
}

/** The sentence's own words, without the request. */
export function toRemember(sentence: string): string | null {
  return after(remember, sentence)
}

export function decisionIn(clause: string): string | null {
  const what = after(decided, clause)
  return what && !/^(?:yet|it|that|this|not yet|nothing)$/i.test(what) ? clause : null
}

export function goalIn(clause: string): string | null {
  return after(wanted, clause) === null ? null : clause
}
