module peers

go 1.26.0

require (
	github.com/HdrHistogram/hdrhistogram-go v1.4.0
	github.com/tinylib/msgp v1.6.5
	golang.org/x/net v0.62.0
)

require (
	github.com/philhofer/fwd v1.2.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
