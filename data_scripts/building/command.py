"""What every script's command line has in common."""

import argparse
import sys
from pathlib import Path

from .errors import BuildError, DataError
from .output import verify

EXIT_CODES = (
    "Exits with 0 when all is there, 1 when it could not be fetched or written, 2 when a source or what --verify\n"
    "reads is wrong. A run that was interrupted goes on where it was."
)


def parser_of(description, terms, output):
    """A parser with --output, whose default is `output`, and --verify."""
    parser = argparse.ArgumentParser(
        description=description,
        epilog=f"{EXIT_CODES}\n\n{terms}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    shown = output or "data/DATASET"
    parser.add_argument("--output", type=Path, default=output, help=f"folder to build in (default: {shown})")
    parser.add_argument(
        "--verify", action="store_true", help="check the files in --output against their SHA-256 checksums and stop"
    )
    return parser


def run(name, options, build):
    """Calls build(options), or verifies; the script's exit code. What went wrong is said on standard error."""
    try:
        verify(options.output) if options.verify else build(options)
        return 0
    except (BuildError, DataError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2 if isinstance(error, DataError) else 1
    except OSError as error:
        print(f"{name}: {error.filename or options.output}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{name}: stopped; what was done is kept, run again to go on", file=sys.stderr)
        return 130
