#!/usr/bin/env python
"""Command-line entry point of the Studio."""

import os
import sys


def main() -> None:
    """Run a management command with the Studio's settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    from django.core.management import execute_from_command_line

    from studio.lib.errors import StudioError

    try:
        execute_from_command_line(sys.argv)
    except StudioError as error:
        # Settings that cannot be read and folders that cannot be written are found before any command runs.
        print(f"{error}\n{error.action}".rstrip(), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
