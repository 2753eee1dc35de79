/** Long conversations with questions about them, in the form in which retrieval is measured. */
export interface Conversation {
  id: string
  lines: Line[]
  questions: Question[]
}

export interface Line {
  /** As evidence names it: `D3:7` is the seventh line of the third session. */
  id: string
  session: string
  speaker: string
  text: string
  at: string
}

export interface Question {
  text: string
  /** The lines that hold the answer. */
  evidence: string[]
  kind: string
}
