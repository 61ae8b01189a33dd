"""Python imports this at its start where it is on the path: processes that tests start meet the mutant too."""

import os
import sys
from pathlib import Path

if os.environ.get("RESNET_GEN_MUTANT"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    from tests.mutants.importing import install

    install()
    del sys.path[0]
