"""Rewrite every committed file that is generated: `make generated`. Review the diff."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from resnet_gen.cli import cli
from resnet_gen.language.schema import json_schema
from resnet_gen.system.resources import shipped_specs
from tests.bad_specs import test_bad_specs
from tests.differences import test_differences
from tests.helpers import published, sources
from tests.project import test_project
from tests.refresh import design_page, engines_page
from tests.refresh.api_page import api_page
from tests.refresh.catalogue_page import catalogue_page
from tests.refresh.language_page import language_page
from tests.refresh.rule_pages import rule_pages
from tests.speed import test_targets

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Refresh the schema, the pages, the reports and the expected messages."""
    schema = json.dumps(json_schema(), indent=2) + "\n"
    (ROOT / "specs" / "schema.json").write_text(schema, encoding="utf-8")
    (ROOT / "docs" / "language.md").write_text(language_page(), encoding="utf-8")
    (ROOT / "docs" / "api.md").write_text(api_page(), encoding="utf-8")
    (ROOT / "docs" / "catalogue.md").write_text(catalogue_page(), encoding="utf-8")
    for name, page in rule_pages().items():
        (ROOT / "docs" / "rules" / name).write_text(page, encoding="utf-8")
    design_page.refresh()
    engines_page.refresh()
    test_bad_specs.refresh()
    test_targets.refresh()
    test_project.refresh()
    test_differences.refresh()
    published.refresh()
    sources.refresh()
    lock = ROOT / "specs" / "resnet-gen.lock"
    lock.unlink(missing_ok=True)
    cli.main(["lock", *shipped_specs(), "--no-config", "--lock", str(lock)], standalone_mode=False)
    cli.main(["build", "--all-shipped", "--target", "report", "-o", str(ROOT / "generated")], standalone_mode=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
