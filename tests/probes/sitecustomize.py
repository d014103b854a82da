"""Imported by Python at its start when this directory is on PYTHONPATH. Arms the probes in web processes."""

import os
import sys

if "gateway_project.processes.web" in sys.orig_argv and "STOA_PROBES" in os.environ:
    import armed  # type: ignore[import-not-found]  # a neighbour in this directory

    armed.arm(os.environ["STOA_PROBES"])
