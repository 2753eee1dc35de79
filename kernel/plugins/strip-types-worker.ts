import { stripTypeScriptTypes } from 'node:module'

/** Takes the types out of one module. Throws with what its author can mend. */
export default function stripTypes(source: string): string {
  return stripTypeScriptTypes(source, { mode: 'strip' })
}
