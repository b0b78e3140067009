"""The report of benchmarks: `docs/benchmarks.md`, its plots and README's part, from results that were kept.

A kind of result has a module here with a function that makes a `Section` of its files; `kinds` lists them. A
result is a file ``KIND.json`` or ``KIND-*.json``, as ``feedhandler bench KIND --out`` writes it.
"""
