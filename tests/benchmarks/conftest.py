"""The modules of benchmarks/ are scripts' beside them, in no package: tests import them as those do."""

import sys

from tests.benchmarks.forks import BENCHMARKS

sys.path.append(str(BENCHMARKS))
