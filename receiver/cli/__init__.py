"""The command line. Exit codes: 0 done, 1 failed, 2 bad configuration or usage, 130 interrupted."""

import sys
from pathlib import Path

from receiver.errors import ConfigError, ReceiverError


def main() -> None:
    """Runs one command; errors of ours become one sentence and an exit code."""
    # Handler types of the user's own (`type: "my_handlers:Discord"`) lie where the command is given.
    sys.path.append(str(Path.cwd()))
    try:
        from receiver.cli.commands import app  # noqa: PLC0415 - it takes a second: Ctrl-C in it ends quietly too

        app()
    except ConfigError as error:
        sys.stderr.write("\n".join(error.mistakes) + "\n")
        sys.exit(2)
    except ReceiverError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
