"""``feedhandler bench latency``: how late Python has a message, measured with a load that waits for nobody.

In the order of a run: `load` says what is sent when, `receiver` takes it in a process of its own, `run` joins
them and keeps the histograms, `calibration` sees whether a stall is noticed, `overhead` what measuring costs;
`kept` writes the result, `plot` and `page` draw it. docs/latency.md says how to read it.
"""
