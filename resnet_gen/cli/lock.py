"""`lock`: what the networks of a project are, written down and compared."""

from __future__ import annotations

from pathlib import Path

import click

from resnet_gen.cli import options


@click.command(short_help="Pin every network's counts and hashes, or check them.")
@click.argument("specs", metavar="[SPEC...]", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a network is not as locked.")
@click.option("--lock", "file", type=options.FILE, help="The lock.  [default: the project's, or resnet-gen.lock]")
@options.gate_parts
@options.project
def lock(specs: tuple[str, ...], check: bool, file: Path | None, config: Path | None, no_config: bool) -> int:
    """Pin every network's counts and the hashes of its graph in resnet-gen.lock.

    Without a SPEC, the networks are those of the project file (docs/contracts.md),
    or those that are locked already. With one, which may be called by its network's
    name, only that is locked anew, or compared.

    \b
    Example: resnet-gen lock
             resnet-gen lock --check
             resnet-gen lock my-network
    """
    from resnet_gen.cli.lock_networks import lock_all
    from resnet_gen.cli.projects import open_project

    return lock_all(specs, open_project(config, no_config), file, check=check)
