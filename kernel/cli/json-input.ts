import { jsonObject } from '#sdk/contracts/values.ts'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'

/** The object that `json` stands for; `what` names it where it stands for none. */
export function readJsonObject(json: string, what: string): Record<string, unknown> {
  let input: unknown
  try {
    input = JSON.parse(json)
  } catch (thrown) {
    throw new RuntimeError('invalid', `${what} is not JSON: ${reasonOf(thrown)}`)
  }
  const { success, data } = jsonObject.safeParse(input)
  if (!success) throw new RuntimeError('invalid', `${what} is not a JSON object`)
  return data
}
