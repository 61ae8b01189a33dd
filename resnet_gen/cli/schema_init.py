"""`schema` and `init`: writing specs."""

from __future__ import annotations

from pathlib import Path

import click

from resnet_gen.cli import options
from resnet_gen.cli.output import say, say_json


@click.command()
def schema() -> None:
    """Print the JSON Schema of the specification language.

    \b
    Example: resnet-gen schema > schema.json
    """
    from resnet_gen.language.schema import json_schema

    say_json(json_schema())


@click.command()
@click.argument("name")
@click.option("-o", "--output", "folder", type=options.FOLDER, default=".", help="Folder to write NAME.yaml to.")
def init(name: str, folder: Path) -> None:
    """Write NAME.yaml, a commented spec to start from.

    \b
    Example: resnet-gen init my-network
    """
    from resnet_gen.language.starter import starter_text
    from resnet_gen.system.write import Transaction, check_new

    text = starter_text(name)
    path = folder / f"{name}.yaml"
    check_new(path, replace=False, hint="choose another name, or delete it first")
    with Transaction(folder) as out:
        out.write_text(path.name, text)
    say(path)
    say(f"next: resnet-gen verify {path}", err=True)
