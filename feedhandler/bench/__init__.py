"""What `feedhandler bench` runs: ours and its yardsticks in one process, in turn, on the same bytes."""
