import { RuntimeError } from '#sdk/errors.ts'
import type { CliIo } from './cli-io.ts'
import { failureText } from './failure.ts'
import type { StartOptions } from './start.ts'

/** Runs as the successor of a kernel: what is wrong is told to the process that started this one, which knows who asked. */
export async function startSuccessor(io: CliIo, { home = '' }: StartOptions): Promise<number> {
  if (!process.send) throw new RuntimeError('invalid', '--successor is for Keel itself; see: keel upgrade')
  try {
    // Everything is loaded before the old kernel is told to make room.
    const { succeed } = await import('../handover/successor.ts')
    return await succeed(home, io.env)
  } catch (thrown) {
    process.send({ is: 'failed', reason: failureText(thrown), exit_code: 1 })
    return 1
  }
}
