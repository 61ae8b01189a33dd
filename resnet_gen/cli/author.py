"""`schema` and `init`: writing specs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from resnet_gen.cli import options


@click.command()
def schema() -> None:
    """Print the JSON Schema of the specification language.

    \b
    Example: resnet-gen schema > schema.json
    """
    from resnet_gen.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


@click.command()
@click.argument("name")
@click.option("-o", "--output", "folder", type=options.FOLDER, default=".", help="Folder to write NAME.yaml to.")
def init(name: str, folder: Path) -> None:
    """Write NAME.yaml, a commented spec to start from.

    \b
    Example: resnet-gen init my-network
    """
    from resnet_gen.problems import refuse
    from resnet_gen.starter import starter
    from resnet_gen.write import Transaction

    text = starter(name)
    path = folder / f"{name}.yaml"
    if path.exists():
        raise refuse("exists already", str(path), "choose another name, or delete it first")
    with Transaction(folder) as out:
        out.text(path.name, text)
    click.echo(path)
    click.echo(f"next: resnet-gen verify {path}", err=True)
