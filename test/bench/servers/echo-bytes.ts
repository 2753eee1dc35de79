import { Socket } from 'node:net'

const wire = new Socket({ fd: 3 })
wire.pipe(wire)
