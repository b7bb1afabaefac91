"""`python -m multipl_moe`, and the command `multipl-moe`."""

import sys


def main() -> None:
    """Run the command line. Ctrl-C is one line from here on, while the command line itself is imported too."""
    try:
        from multipl_moe.cli import main as run
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
