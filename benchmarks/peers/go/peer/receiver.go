// Package peer has what the receivers have in common: the command line, quotes decoded with msgp, what was received,
// and its latencies.
package peer

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// DatagramBytes is how long a datagram may be that is received whole.
const DatagramBytes = 2048

// Receiver counts, sums and records latencies, from the end of the warm-up on.
type Receiver struct {
	warmup, duration time.Duration
	quotes           []Quote
	warmNs, endNs    int64
	nowNs, begunNs   int64
	cpuBegun         float64
	received         received
	latency          *hdrhistogram.Histogram
}

type received struct {
	Datagrams     uint64      `json:"datagrams"`
	Bytes         uint64      `json:"bytes"`
	Messages      uint64      `json:"messages"`
	Sum           uint64      `json:"sum"`
	FirstSequence uint64      `json:"first_sequence"`
	LastSequence  uint64      `json:"last_sequence"`
	ElapsedS      float64     `json:"elapsed_s"`
	CPUS          float64     `json:"cpu_s"`
	RssKiB        uint64      `json:"rss_kib"`
	LatencyNs     percentiles `json:"latency_ns"`
}

type percentiles struct {
	P50   int64 `json:"p50"`
	P90   int64 `json:"p90"`
	P99   int64 `json:"p99"`
	P99_9 int64 `json:"p99_9"`
	Max   int64 `json:"max"`
	Count int64 `json:"count"`
}

// Open reads the command line, PROGRAM WARMUP_S SECONDS RCVBUF_BYTES, binds a socket and prints its port.
func Open() (*net.UDPConn, *Receiver) {
	if len(os.Args) != 4 {
		log.Fatal("usage: PROGRAM WARMUP_S SECONDS RCVBUF_BYTES")
	}
	rcvbufBytes, err := strconv.Atoi(os.Args[3])
	check(err)
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check(err)
	check(conn.SetReadBuffer(rcvbufBytes))
	fmt.Println(conn.LocalAddr().(*net.UDPAddr).Port)
	return conn, &Receiver{
		warmup:   seconds(os.Args[1]),
		duration: seconds(os.Args[2]),
		latency:  hdrhistogram.New(1, 60_000_000_000, 3),
	}
}

// Take takes a datagram, and says whether to go on.
func (r *Receiver) Take(datagram []byte) bool {
	var header Header
	var err error
	if header, r.quotes, err = Decode(datagram, r.quotes); err != nil {
		return true
	}
	r.nowNs = time.Now().UnixNano()
	if r.begunNs == 0 && !r.begin() {
		return true
	}
	if r.nowNs >= r.endNs {
		return false
	}
	check(r.latency.RecordValue(max(r.nowNs-int64(header.SendTimeNs), 0)))
	if r.received.Datagrams == 0 {
		r.received.FirstSequence = header.Sequence
	}
	r.received.LastSequence = header.Sequence
	r.received.Datagrams++
	r.received.Bytes += uint64(len(datagram))
	r.received.Messages += uint64(len(r.quotes))
	for at := range r.quotes {
		r.received.Sum += r.quotes[at].AskSize
	}
	return true
}

// begin says whether the warm-up, which begins with the first datagram, is over.
func (r *Receiver) begin() bool {
	if r.warmNs == 0 {
		r.warmNs = r.nowNs + int64(r.warmup)
		r.endNs = r.warmNs + int64(r.duration)
	}
	if r.nowNs < r.warmNs {
		return false
	}
	r.begunNs, r.cpuBegun = r.nowNs, cpuSeconds()
	return true
}

// Tell prints what was received.
func (r *Receiver) Tell() {
	told := &r.received
	told.ElapsedS = float64(r.nowNs-r.begunNs) / 1e9
	told.CPUS = cpuSeconds() - r.cpuBegun
	told.RssKiB = rssKiB()
	told.LatencyNs = percentiles{
		P50:   r.latency.ValueAtQuantile(50),
		P90:   r.latency.ValueAtQuantile(90),
		P99:   r.latency.ValueAtQuantile(99),
		P99_9: r.latency.ValueAtQuantile(99.9),
		Max:   r.latency.Max(),
		Count: r.latency.TotalCount(),
	}
	check(json.NewEncoder(os.Stdout).Encode(told))
}

func seconds(text string) time.Duration {
	value, err := strconv.ParseFloat(text, 64)
	check(err)
	return time.Duration(value * float64(time.Second))
}

// cpuSeconds is the time that all threads spent on a processor.
func cpuSeconds() float64 {
	var used syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

// rssKiB is the largest resident memory of this program.
func rssKiB() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	check(err)
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.ParseUint(strings.Fields(line)[0], 10, 64)
	check(err)
	return kib
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
