import { createServer } from 'node:http'
import express from 'express'
import { serveFor } from './serve.ts'

const app = express()
app.get('/api/health', (_, response) => void response.json({ status: 'ok' }))
serveFor(createServer(app))
