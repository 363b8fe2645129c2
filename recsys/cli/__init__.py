"""The command line: Typer commands, each a few lines that call a room."""

from recsys.cli.app import app, main

__all__ = ["app", "main"]
