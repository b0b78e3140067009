package peer

import (
	"errors"

	"github.com/tinylib/msgp/msgp"
)

// Quote is a best bid and offer. A price that is not there is NoPrice.
type Quote struct {
	InstrumentID   uint32
	BidPrice       int64
	AskPrice       int64
	BidSize        uint64
	AskSize        uint64
	ExchangeTimeNs uint64
}

// NoPrice stands where nobody bids or offers.
const NoPrice = -1 << 63

// Header begins a packet.
type Header struct {
	Kind       uint8
	Sequence   uint64
	Count      uint32
	SendTimeNs uint64
}

var errMalformed = errors.New("malformed packet")

// Decode decodes a packet of the msgpack feed into quotes, in place of what was in there.
func Decode(packet []byte, quotes []Quote) (Header, []Quote, error) {
	header, rest, err := readHeader(packet)
	if err != nil {
		return header, quotes[:0], err
	}
	quotes = quotes[:0]
	for range header.Count {
		quotes = append(quotes, Quote{})
		if rest, err = quotes[len(quotes)-1].read(rest); err != nil {
			return header, quotes[:0], err
		}
	}
	return header, quotes, nil
}

func readHeader(from []byte) (header Header, rest []byte, err error) {
	if rest, err = expectElements(from, 5); err != nil {
		return
	}
	if header.Kind, rest, err = msgp.ReadUint8Bytes(rest); err != nil {
		return
	}
	if _, rest, err = msgp.ReadStringZC(rest); err != nil {
		return
	}
	if header.Sequence, rest, err = msgp.ReadUint64Bytes(rest); err != nil {
		return
	}
	if header.Count, rest, err = msgp.ReadUint32Bytes(rest); err != nil {
		return
	}
	header.SendTimeNs, rest, err = msgp.ReadUint64Bytes(rest)
	return
}

func (quote *Quote) read(from []byte) (rest []byte, err error) {
	if rest, err = expectElements(from, 7); err != nil {
		return
	}
	var kind uint8
	if kind, rest, err = msgp.ReadUint8Bytes(rest); err != nil {
		return
	}
	if kind != 1 {
		return rest, errMalformed
	}
	if quote.InstrumentID, rest, err = msgp.ReadUint32Bytes(rest); err != nil {
		return
	}
	if quote.BidPrice, rest, err = readPrice(rest); err != nil {
		return
	}
	if quote.AskPrice, rest, err = readPrice(rest); err != nil {
		return
	}
	if quote.BidSize, rest, err = msgp.ReadUint64Bytes(rest); err != nil {
		return
	}
	if quote.AskSize, rest, err = msgp.ReadUint64Bytes(rest); err != nil {
		return
	}
	quote.ExchangeTimeNs, rest, err = msgp.ReadUint64Bytes(rest)
	return
}

func readPrice(from []byte) (int64, []byte, error) {
	if msgp.IsNil(from) {
		rest, err := msgp.ReadNilBytes(from)
		return NoPrice, rest, err
	}
	return msgp.ReadInt64Bytes(from)
}

func expectElements(from []byte, elements uint32) ([]byte, error) {
	found, rest, err := msgp.ReadArrayHeaderBytes(from)
	if err == nil && found != elements {
		err = errMalformed
	}
	return rest, err
}
