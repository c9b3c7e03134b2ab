"""`python -m limitlab.reports.site [--output build/docs]`: build the site of the checkout in this folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from limitlab.errors import LimitlabError
from limitlab.reports.site.build import build

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/docs"), help="default build/docs")
    try:
        print(build(Path.cwd(), parser.parse_args().output.resolve()))
    except LimitlabError as error:
        sys.exit(str(error))
