"""The instrument: what sends a feed, so that one can be received."""
