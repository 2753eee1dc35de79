import { type MessagePort, workerData } from 'node:worker_threads'
import { maxServiceFrameBytes } from '#sdk/rpc/channel.ts'
import { Peer } from '#sdk/rpc/peer.ts'
import { portChannel } from '#sdk/rpc/port-channel.ts'
import { probe, probeKernel } from './probe-contract.ts'
import { probeHandlers } from './probe-handlers.ts'

const port: MessagePort = workerData
const peer = new Peer(portChannel(port), { maxFrameBytes: maxServiceFrameBytes })
peer.serve(
  probe,
  probeHandlers(peer.connect(probeKernel), (text) => port.postMessage(text)),
)
peer.answerControl('$/ping', () => ({}))
