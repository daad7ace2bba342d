"""`python -m lfsgan_cli` is the same program as `lfsgan`."""

from lfsgan_cli.app import app

app()
