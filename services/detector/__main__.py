"""`python -m services.detector [--group g1]`: watch one symbol group."""

import argparse

from services.detector.settings import DetectorSettings
from services.detector.shell import detector_service
from services.runtime.process import run_service
from services.runtime.settings import load_settings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m services.detector", description=__doc__)
    parser.add_argument("--group", help="symbol group; else ARB_DETECTOR_GROUP or config/detector.toml")
    group = parser.parse_args().group
    chosen = {} if group is None else {"group": group}
    return run_service(lambda runtime: detector_service(load_settings(DetectorSettings, **chosen)))


raise SystemExit(main())
