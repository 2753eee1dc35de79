import { parentPort, workerData } from 'node:worker_threads'
import { reasonOf } from '#sdk/errors.ts'
import { openReading } from '../reading.ts'
import type { ThreadMessage, ThreadRequest } from './messages.ts'
import { VectorIndex } from './vector-index.ts'

/* The thread on which vectors are kept and compared, so that words are looked for at the same time. */

const { database } = workerData as { database: string }
const db = openReading(database)
const tell = (message: ThreadMessage) => parentPort?.postMessage(message)
const index = new VectorIndex(db, {
  onCounts: (counts) => tell({ counts }),
  onCorrupt: (corrupt) => tell({ corrupt }),
})

function answer(request: ThreadRequest): unknown {
  switch (request.call) {
    case 'use':
      return index.use(request.params)
    case 'refresh':
      return index.refresh(request.params)
    case 'nearest':
      return index.nearest(request.params)
  }
}

parentPort?.on('message', (request: ThreadRequest) => {
  try {
    tell({ id: request.id, result: answer(request) })
  } catch (thrown) {
    tell({ id: request.id, error: reasonOf(thrown) })
  }
})
