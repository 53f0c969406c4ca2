"""The coefficients that ship with the package. Reads one file of the catalog, once a process."""

from functools import cache
from importlib.resources import files

from inferfleet.performance.coefficients import parse
from inferfleet.performance.types import Coefficients

FILE = "performance.json"


@cache
def coefficients() -> Coefficients:
    """Raises CoefficientsError where the file is damaged, which no installed package is."""
    return parse(files("inferfleet.catalog").joinpath(FILE).read_text("utf-8"))
