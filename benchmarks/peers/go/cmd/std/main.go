// Receives with the standard library, one datagram at a time, without an allocation for each.
package main

import (
	"log"

	"peers/peer"
)

func main() {
	conn, receiver := peer.Open()
	buffer := make([]byte, peer.DatagramBytes)
	for {
		n, _, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			log.Fatal(err)
		}
		if !receiver.Take(buffer[:n]) {
			break
		}
	}
	receiver.Tell()
}
