// Receives with x/net's ReadBatch: recvmmsg.
package main

import (
	"log"

	"golang.org/x/net/ipv4"

	"peers/peer"
)

const batch = 64

func main() {
	conn, receiver := peer.Open()
	packets := ipv4.NewPacketConn(conn)
	messages := make([]ipv4.Message, batch)
	for at := range messages {
		messages[at].Buffers = [][]byte{make([]byte, peer.DatagramBytes)}
	}
	for {
		n, err := packets.ReadBatch(messages, 0)
		if err != nil {
			log.Fatal(err)
		}
		if !take(receiver, messages[:n]) {
			break
		}
	}
	receiver.Tell()
}

func take(receiver *peer.Receiver, messages []ipv4.Message) bool {
	for at := range messages {
		if !receiver.Take(messages[at].Buffers[0][:messages[at].N]) {
			return false
		}
	}
	return true
}
