"""``feedhandler bench latency``: how late Python has a message, measured with a load that waits for nobody.

In the order of a run: `load` says what is sent when, `receiver` takes it in a process of its own, `pair` has
it sent once, `run` in every round; `calibration` sees whether a stall is noticed, `overhead` what measuring
costs. A `result` keeps histograms (`tail`); `kept` writes it, `words` tells it, `plot` and `page` draw its
`curves`. docs/latency.md says how to read it.
"""
