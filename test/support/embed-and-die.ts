import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { openWritable } from '#kernel/store/database.ts'
import { saveEmbeddings } from '#kernel/store/embeddings.ts'
import { openReading } from '../../services/memory/reading.ts'
import { Vectors } from '../../services/memory/vectors.ts'

/** Makes vectors for the database at the first argument, and is killed once so many batches are kept. */
const [database = '', batches = ''] = process.argv.slice(2)

const write = openWritable(database, 'normal')
let kept = 0

await Vectors.open({
  db: openReading(database),
  log: pino({ level: 'silent' }),
  settings: { database, embedding_model: 'mock/other' },
  kernel: {
    embed: async ({ texts }) => ({ vectors: texts.map((text) => [text.length, 1, 2, 3, 4, 5, 6, 7]) }),
    async saveEmbeddings({ model, dimensions, rows }) {
      const stored = rows.map(({ vector, ...row }) => ({ ...row, embedding: Buffer.from(vector, 'base64') }))
      const saved = saveEmbeddings(write, { model, dimensions, rows: stored })
      kept += 1
      if (kept === Number(batches)) process.kill(process.pid, 'SIGKILL')
      return { saved }
    },
    reportEmbedding: async () => null,
  },
})
await delay(30_000)
