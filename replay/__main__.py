"""``python -m replay`` is ``feedhandler replay``."""

import sys

from feedhandler.cli import main

if __name__ == "__main__":
    sys.exit(main(["replay", *sys.argv[1:]]))
