"""All programs of the zoo by name."""

from benchmarks.zoo import (
    architecture,
    callbacks,
    data,
    healthy,
    initialisation,
    optimisation,
    output,
    regularisation,
    wiring,
)
from benchmarks.zoo.program import Program

MODULES = (
    data,
    output,
    initialisation,
    architecture,
    wiring,
    optimisation,
    regularisation,
    callbacks,
    healthy,
)

PROGRAMS = {
    part.name: part for module in MODULES for part in vars(module).values() if isinstance(part, Program)
}
