export interface ThreatFamily {
  name: string
  /** What each matching pattern adds to the score. */
  weight: number
  /** The most that the family adds. */
  cap: number
  patterns: readonly RegExp[]
}

/*
 * Every pattern begins with a word and repeats nothing that could match in two ways, so that its time grows with the
 * text and no faster. What is told apart from ordinary speech is told in a comment.
 */

/** Also what is taken out of the model's copy. */
export const overridePatterns: readonly RegExp[] = [
  /\bignore\s+(?:(?:all|any|every)\s+)?(?:of\s+)?(?:(?:the|your|my|these|those)\s+)?(?:previous|prior|above|earlier|preceding)\s+(?:\w{1,20}\s+)?(?:instruction|prompt|rule|guideline|direction)s?\b/i,
  /\bignore\s+(?:all\s+)?(?:(?:of\s+)?your\s+|all\s+)(?:\w{1,20}\s+)?(?:instruction|prompt|guideline)s?\b/i,
  /\byou(?:\s+are|['’]re)\s+now\s+(?:an?|in)\s/i,
  /\bdisregard\s+(?:all\s+)?(?:of\s+)?(?:your|the|all|any|previous|prior)\s+(?:\w{1,20}\s+)?(?:instruction|prompt|rule|guideline)s?\b/i,
  // A role marker, not any word before a colon: at the start of a line, or between a template's brackets.
  /^[ \t]{0,20}(?:\[|<\|?|\*\*|#{1,3}[ \t]{0,4})?system(?:\]|\|?>|\*\*)?[ \t]{0,4}:|<\|(?:im_start\|>)?[ \t]{0,4}system\b|<<\/?SYS>>/im,
  /\bnew\s+instructions?\s{0,4}:/i,
  /\boverride\s+(?:(?:all|the|your|any)\s+)?(?:safety|security|rules?)\b/i,
]

export const threatFamilies: readonly ThreatFamily[] = [
  { name: 'instruction_override', weight: 0.35, cap: 1, patterns: overridePatterns },
  {
    name: 'encoding',
    weight: 0.2,
    // A question about encodings has many signs of them; only together with an attack do they block.
    cap: 0.5,
    patterns: [
      /\bbase64[\s_-]{0,3}decod|\bdecod\w{0,4}\s+(?:(?:this|the|from)\s+)?base64/i,
      /(?:\\x[0-9a-f]{2}){2}/i,
      /&#x?[0-9a-f]{2,6};/i,
      /%[0-9a-f]{2}%[0-9a-f]{2}/i,
    ],
  },
  {
    name: 'authority',
    weight: 0.3,
    cap: 1,
    patterns: [
      // Owners and creators of something of theirs are people who introduce themselves.
      /\bI(?:\s+am|['’]m)\s+(?:(?:the|your|an?)\s+)?(?:admin(?:istrator)?|root|owner|creator)\b(?!\s+(?:of|at|for)\s+(?:an?|my|our)\b)/i,
      // "As the system grows" and "run as administrator" claim nothing.
      /\bas\s+(?:an?\s+admin|the\s+admin(?:istrator)?|(?:the\s+)?system(?=\s*[,:]))\b/i,
      /\bwith\s+(?:full\s+)?(?:admin(?:istrator)?|root|system)\s+(?:privileges?|access|rights?|permissions?)\b/i,
    ],
  },
  {
    name: 'financial',
    weight: 0.4,
    cap: 1,
    patterns: [
      /\btransfer\s+(?:all|my|the|your)\s+(?:\w{1,20}\s+){0,3}(?:funds?|money|tokens?|coins?|balance|eth|usdc|btc)\b/i,
      /\bsend\s+(?:(?:all|of|the|my|your)\s+){0,3}(?:funds?|tokens?|coins?|eth|usdc|btc|crypto)\s+to\b/i,
      /\bdrain\s+(?:(?:all|of|the|my|your)\s+){0,3}(?:wallets?|accounts?|treasury|funds)\b/i,
    ],
  },
]
