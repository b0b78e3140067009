"""A low-latency UDP market-data feed handler."""
