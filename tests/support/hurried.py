"""Runs `receiver …` with short leases, so that what a killed process held is taken over within a test's patience."""

import sys
from datetime import timedelta

from receiver import (
    app,  # noqa: F401 - loads everything that leases
    cli,
)

LEASE = timedelta(seconds=5)

if __name__ == "__main__":
    for name, module in list(sys.modules.items()):
        if name.startswith("receiver.") and hasattr(module, "LEASE"):
            vars(module)["LEASE"] = LEASE
    cli.main()
