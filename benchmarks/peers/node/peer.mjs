// Receives the msgpack feed with node:dgram, decodes every quote with msgpackr, sums the ask sizes, records latencies.
//
//   node peer.mjs WARMUP_S SECONDS RCVBUF_BYTES

import dgram from 'node:dgram'
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { build } from 'hdr-histogram-js'
import { Unpackr } from 'msgpackr'

const SEQUENCE = 2, SEND_TIME_NS = 4 // in a header
const ASK_SIZE = 5 // in a quote

const [warmupS, seconds, rcvbufBytes] = process.argv.slice(2).map(Number)
// Times become numbers, exact to 256 ns: a BigInt for each would cost more than all the rest.
const unpackr = new Unpackr({ int64AsType: 'number', useRecords: false })
const latency = build({ bitBucketSize: 64, highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: 3 })
const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: rcvbufBytes })

let datagrams = 0, bytes = 0, messages = 0, sum = 0, firstSequence = 0, lastSequence = 0
let warmMs = 0, endMs = Infinity, begunMs = 0, cpuBegun

// Whether the warm-up, which begins with the first datagram, is over.
function begin(nowMs) {
  if (warmMs === 0) {
    warmMs = nowMs + warmupS * 1e3
    endMs = warmMs + seconds * 1e3
  }
  if (nowMs < warmMs) return false
  begunMs = nowMs
  cpuBegun = process.cpuUsage()
  return true
}

function take(datagram) {
  const packet = unpackr.unpackMultiple(datagram)
  const nowMs = performance.timeOrigin + performance.now()
  if (begunMs === 0 && !begin(nowMs)) return
  if (nowMs >= endMs) return finish(nowMs)
  const header = packet[0]
  latency.recordValue(Math.max(0, Math.round(nowMs * 1e6 - header[SEND_TIME_NS])))
  if (datagrams === 0) firstSequence = header[SEQUENCE]
  lastSequence = header[SEQUENCE]
  datagrams += 1
  bytes += datagram.length
  messages += packet.length - 1
  for (let at = 1; at < packet.length; at++) sum += packet[at][ASK_SIZE]
}

function finish(nowMs) {
  socket.off('message', take)
  socket.close()
  const cpu = process.cpuUsage(cpuBegun)
  const part = (percent) => latency.getValueAtPercentile(percent)
  console.log(JSON.stringify({
    datagrams, bytes, messages, sum,
    first_sequence: firstSequence,
    last_sequence: lastSequence,
    elapsed_s: (nowMs - begunMs) / 1e3,
    cpu_s: (cpu.user + cpu.system) / 1e6,
    rss_kib: rssKib(),
    latency_ns: {
      p50: part(50), p90: part(90), p99: part(99), p99_9: part(99.9), max: latency.maxValue, count: latency.totalCount,
    },
  }))
}

// Largest resident memory of this program.
function rssKib() {
  return Number(readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s+(\d+)/)[1])
}

socket.on('message', take)
socket.bind(0, '127.0.0.1', () => console.log(socket.address().port))
