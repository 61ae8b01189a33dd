"""`generate`: source code and texts from specs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet_gen.build.output_kinds import LANGUAGES
from resnet_gen.cli import options
from resnet_gen.cli.output import say
from resnet_gen.problems import refuse

if TYPE_CHECKING:
    from resnet_gen.language.load import Loaded


@click.command()
@click.argument("specs", metavar="[SPEC|FILE.onnx...]", nargs=-1)
@options.spec_options
@click.option("--to", type=click.Choice(LANGUAGES), help="What to generate.")
@click.option(
    "-o", "--output", "folder", type=options.FOLDER, default=".", show_default=True, help="Folder to write to."
)
@options.side
@click.option(
    "--build", "built", type=options.FOLDER, help="For a card: the folder whose files it lists, in place of -o's."
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if the files there are not what would be written.")
@click.option("--force", is_flag=True, help="Replace files that differ from what is written.")
@options.project
@options.builds
def generate(
    specs: tuple[str, ...],
    settings: tuple[str, ...],
    to: str | None,
    folder: Path,
    side: int | None,
    built: Path | None,
    check: bool,
    force: bool,
    config: Path | None,
    no_config: bool,
    builds: tuple[str, ...],
) -> int:
    """Generate source code, a Triton repository or a model card.

    pytorch is one module that needs nothing but torch, with the spec's
    parameter names; flax the same for Flax NNX. cpp is a program that loads a TensorRT engine and
    classifies pictures; triton the settings of a model for Triton Inference
    Server, and a client; card a model card. The paths of the files are printed.
    For an ONNX file, the spec that is recovered from it is generated.

    Without a SPEC, --to is generated of the specs of the project file; without
    --to as well, what its [builds] say, beside what they build (docs/projects.md).

    \b
    Example: resnet-gen generate resnet50 --to pytorch -o models
             resnet-gen generate net.yaml --to card --build build -o .
             resnet-gen generate --check
    """
    from resnet_gen.cli.projects import choose_project_specs, find_builds

    project = None if to and not builds else find_builds(specs, builds, config, no_config)
    if project:
        from resnet_gen.cli.project_generate import generate_project

        return generate_project(project, builds, check=check, force=force)
    if to is None:
        raise refuse("--to: what is to be generated?", hint=f"--to {' or '.join(LANGUAGES)}")
    if specs and config:
        raise refuse("--config means nothing where a SPEC is named", hint="leave one of them away")
    specs = specs or choose_project_specs(config, no_config)
    return _generate(specs, options.with_input(settings, side), to, folder, built, check=check, force=force)


def _generate(
    specs: Sequence[str],
    settings: Sequence[str],
    to: str,
    folder: Path,
    built: Path | None,
    *,
    check: bool,
    force: bool,
) -> int:
    from resnet_gen.generate.output import find_differing, write_generated
    from resnet_gen.system.journal import recover

    if not check:
        recover(folder)  # a card lists what is built there
    files = _generate_files(specs, settings, to, folder, built)
    if check:
        found = find_differing(folder, files)
        for name, what in found.items():
            say(f"{folder / name}: {what}")
        say(f"{len(files)} files checked, {len(found)} to change", err=True)
        return 1 if found else 0
    for path in write_generated(folder, files, replace=force):
        say(path)
    return 0


def _generate_files(
    specs: Sequence[str], settings: Sequence[str], to: str, folder: Path, built: Path | None
) -> dict[str, str]:
    """What is generated, by name; raises `Refused` if two specs would write one file."""
    from resnet_gen.build.manifest import file_name
    from resnet_gen.generate.base import CodeSubject, generate_files

    if built and to != "card":
        raise refuse(f"--build means nothing for --to {to}", hint="a card lists the files of a build")
    files: dict[str, str] = {}
    for spec in specs:
        subject = CodeSubject(_load_spec(spec, settings, to), built or folder)
        if built and not (built / file_name(subject.name)).exists():
            raise refuse(f"has no manifest of '{subject.name}'", str(built), "resnet-gen build writes one")
        new = generate_files(subject, to)
        if twice := files.keys() & new.keys():
            raise refuse(f"two specs write '{min(twice)}'", spec, "give each a folder of its own with -o")
        files.update(new)
    return files


def _load_spec(reference: str, settings: Sequence[str], to: str) -> Loaded:
    """The spec, or the one that is recovered from an ONNX file, with what it does not carry of that on stderr."""
    from resnet_gen.cli.loading import open_noted, say_of_file

    source = open_noted(reference, settings, f"--to {to}")
    say_of_file(reference, source.describe_losses())
    return source.require_spec(f"--to {to}")
