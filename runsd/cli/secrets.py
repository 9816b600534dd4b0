"""``runsd secrets``: what the keeper of a host does for its secrets."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from runsd import config, places
from runsd.datadir import KEY
from runsd.errors import RunsdError

app = typer.Typer(help="Keep the key that secrets are encrypted with.", no_args_is_help=True)


@app.callback()
def _keep() -> None:
    """Keep the key that secrets are encrypted with."""


@app.command()
def rotate(
    config_file: Annotated[Path | None, typer.Option("--config", help="The TOML file of settings.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Where state and logs are kept.")
    ] = None,
) -> None:
    """Encrypt all secrets with a new key and drop the old one, whether the daemon runs or not.

    A backup from before needs the key file from before: keep that one if you keep the backup.
    """
    from runsd.keyring import Keyring  # only here: the other commands need not wait for it
    from runsd.rotation import rotate

    directory = data_dir or places.default_data_dir()
    try:
        settings = config.load(config_file or places.default_config(), flags={}).settings
        key_file = settings.secrets.key_file or directory / KEY
        count = rotate(directory, Keyring(key_file))
    except RunsdError as failure:
        sys.stderr.write(f"runsd: {failure}\n")
        raise typer.Exit(1) from failure
    sys.stderr.write(f"runsd: {key_file} has a new key, with which {count} values are encrypted\n")
