import { openWritable } from '#kernel/store/database.ts'
import { migrate, migrations } from '#kernel/store/migrate.ts'

/** Migrates the database at the first argument and is killed right after the step with the second's version; without one, after the end. */
const [path = '', version = ''] = process.argv.slice(2)

function die(): void {
  process.kill(process.pid, 'SIGKILL')
}

const steps = migrations.map((step) =>
  step.version === Number(version)
    ? {
        ...step,
        up: (db: Parameters<typeof step.up>[0]) => {
          step.up(db)
          // Far more than SQLite keeps in memory, so that parts of the unfinished transaction are in the log already.
          db.exec('PRAGMA cache_size = 1; CREATE TABLE bulk (text TEXT)')
          const insert = db.prepare('INSERT INTO bulk VALUES (?)')
          for (let n = 0; n < 500; n++) insert.run('x'.repeat(4_000))
          die()
        },
      }
    : step,
)
migrate(openWritable(path, 'full'), steps)
die()
