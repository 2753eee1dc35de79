import { pino } from 'pino'
import { createEventBus } from '#kernel/events/bus.ts'
import { openWritable } from '#kernel/store/database.ts'

/** Publishes as fast as it can and names each number on stdout once it was told to a listener; ends by being killed. */
const [path] = process.argv.slice(2)
if (!path) throw new Error('usage: event-crash.ts DATABASE')
const bus = createEventBus({ db: openWritable(path, 'normal'), log: pino({ enabled: false }) })
bus.subscribe(({ seq }) => process.stdout.write(`${seq}\n`))

function publishSome() {
  for (let i = 0; i < 20; i++) bus.publish('tick', { i })
  setTimeout(publishSome, 1)
}
publishSome()
