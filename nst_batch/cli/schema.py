"""``nst-batch schema``: JSON Schema of sidecars and of config.yaml, for editors."""

from __future__ import annotations

import argparse
import json

from nst_batch.cli.terminal import AddCommand, say_lines
from nst_batch.config.load import config_schema
from nst_batch.errors import EXIT_OK
from nst_batch.sidecar.expand import sidecar_schema

EPILOG = """\
With the YAML language server (VS Code, Neovim, Emacs), after `nst-batch schema sidecar > sidecar.schema.json`
put this first line into a sidecar and the editor completes keys and marks mistakes:

    # yaml-language-server: $schema=sidecar.schema.json
"""


def add(add_command: AddCommand) -> None:
    """Add the command to the command line."""
    command = add_command(
        "schema",
        help="JSON Schema of a sidecar or of config.yaml",
        description="Prints the JSON Schema of a sidecar or of config.yaml.",
        epilog=EPILOG,
    )
    command.add_argument("what", choices=("sidecar", "config"), help="which of the two")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the schema."""
    schema = sidecar_schema() if arguments.what == "sidecar" else config_schema()
    say_lines(json.dumps(schema, indent=2))
    return EXIT_OK
