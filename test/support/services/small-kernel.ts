import { pino } from 'pino'
import { startSupervisor } from '#kernel/supervisor/supervisor.ts'
import { probe, renamed } from './probe-contract.ts'
import { probeSpec } from './supervised-spec.ts'

/** A kernel that is nothing but its supervisor: prints the numbers of its two children, and leaves at SIGTERM. */
const [runDir = ''] = process.argv.slice(2)
const other = renamed('other')
const supervisor = startSupervisor({
  specs: [probeSpec(), { ...probeSpec(), contract: other, entry: new URL('./other.ts', import.meta.url) }],
  runDir,
  log: pino({ level: 'silent' }),
  onLog: () => {},
  onStateChange: () => {},
})
process.on('SIGTERM', () => supervisor.close(0).then(() => process.exit(0)))
const pids = await Promise.all([supervisor.client(probe).pid({}), supervisor.client(other).pid({})])
process.stdout.write(`${pids.join(' ')}\n`)
