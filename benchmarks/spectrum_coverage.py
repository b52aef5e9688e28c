"""How often what `thalweg.stats` states about a spectrum is so, on spectra that are known.

    python benchmarks/spectrum_coverage.py            # five minutes; the tables of docs/certify/spectrum.md
    python benchmarks/spectrum_coverage.py --repeats 40

The operators are diagonal where the method starts from random directions, which know no axes, and rotated at random
for the trace, to be told from a lucky choice of axes. The seeds are none of the tests'.
"""

import argparse
import math

import numpy as np
from numpy.typing import NDArray

from thalweg.stats.density import density
from thalweg.stats.lanczos import extremes
from thalweg.stats.trace import trace

Array = NDArray[np.float64]
SEED = 81_000_000

_RANDOM = np.random.default_rng(SEED)
SPECTRA: dict[str, Array] = {
    "arcsine, n 400": np.cos(np.linspace(0.0, np.pi, 400)),
    "even, n 400": np.linspace(0.0, 1.0, 400),
    "six decades, n 400": np.geomspace(1e-3, 1e3, 400),
    "a network's, n 2,000": np.r_[
        -0.3,
        -0.1,
        1e-3 * _RANDOM.standard_normal(1850),
        np.geomspace(1e-3, 1.0, 140),
        2.0,
        3.0,
        4,
        5,
        6,
        8,
        12,
        20,
    ],
    "dense but one, n 2,000": np.r_[np.linspace(-1.0, 1.0, 1999), 1.1],
    "two dominate, n 200": np.r_[np.full(198, 1e-3), 10.0, 11.0],
    "two values, n 100": np.repeat([-1.0, 1.0], 50),
}


def interval(hits: int, trials: int) -> str:
    """A rate in per cent with its 95 % Wilson interval."""
    p, z = hits / trials, 1.96
    middle = (p + z * z / 2 / trials) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(p * (1 - p) / trials + z * z / 4 / trials**2)
    return f"{100 * p:.3g} ({100 * max(middle - half, 0):.3g} to {100 * min(middle + half, 1):.3g})"


def table(title: str, head: list[str], rows: list[list[str]]) -> None:
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def kuczynski(size: int, products: int, failure: float) -> float:
    """The relative gap that may be missed with this probability, known before the fact (theorem 4.2).

    P((largest - Ritz value) / (largest - smallest) > gap) <= 1.648 sqrt(n) exp(-sqrt(gap) (2 k - 1)).
    """
    return (math.log(1.648 * math.sqrt(size) / failure) / (2 * products - 1)) ** 2


def certain(repeats: int) -> None:
    rows = []
    for name, spectrum in SPECTRA.items():
        for products in (5, 20, 80):
            hits, errors, residuals = 0, [], []
            for seed in range(repeats):
                found = extremes(
                    lambda v, s=spectrum: s * v,
                    len(spectrum),
                    products=products,
                    tolerance=1e-9,
                    basis=32,
                    seed=SEED + seed,
                )
                for ritz in (found.smallest, found.largest):
                    hits += bool(np.any((spectrum >= ritz.low) & (spectrum <= ritz.high)))
                errors.append(abs(found.largest.value - spectrum.max()) / np.abs(spectrum).max())
                residuals.append(found.largest.residual / np.abs(spectrum).max())
            rows.append(
                [
                    name,
                    str(products),
                    f"{hits} of {2 * repeats}",
                    f"{np.median(errors):.1e}",
                    f"{np.median(residuals):.1e}",
                ]
            )
    head = ["spectrum", "products", "an eigenvalue inside", "error of the largest", "its residual"]
    table("Ritz value and residual (certain; basis of 32; relative to the norm, medians)", head, rows)


def missed(repeats: int) -> None:
    rows = []
    for name, spectrum in SPECTRA.items():
        for products in (8, 12, 48, 100):
            for warm in (False, True) if products == 12 else (False,):
                missing, outside, spare = 0, 0, []
                for seed in range(repeats):
                    start = np.eye(1, len(spectrum), len(spectrum) // 3)[0] if warm else None
                    found = extremes(
                        lambda v, s=spectrum: s * v,
                        len(spectrum),
                        products=products,
                        tolerance=0.0,
                        basis=32,
                        seed=SEED + seed,
                        start=start,
                    )
                    width = float(np.ptp(spectrum))
                    missing += found.largest.high < spectrum.max()
                    bound = found.upper(0.05)
                    outside += bound < spectrum.max()
                    spare.append((bound - found.largest.value) / width)
                ritz = kuczynski(len(spectrum), products, 0.05)
                rows.append(
                    [
                        name,
                        f"{products}, wrong start" if warm else str(products),
                        interval(missing, repeats),
                        interval(outside, repeats),
                        f"{np.median(spare):.1e}",
                        f"{ritz / max(1.0 - ritz, 0.0):.1e}" if ritz < 1.0 else "none",
                    ]
                )
    head = [
        "spectrum",
        "products",
        "largest outside of its residual, %",
        "above the bound that 5 % may exceed, %",
        "bound less Ritz value",
        "Kuczynski and Wozniakowski's",
    ]
    table("Eigenvalues that were missed (basis of 32; widths relative to the spectrum's)", head, rows)


def densities(repeats: int) -> None:
    rows = []
    for name, values in SPECTRA.items():
        spectrum = np.sort(values)
        points = np.unique(
            np.r_[spectrum, spectrum - 1e-9, spectrum + 1e-9, spectrum[0] - 1, spectrum[-1] + 1]
        )
        true = np.searchsorted(spectrum, points, side="right") / len(spectrum)
        for probes, steps in ((1, 16), (4, 16), (4, 48)):
            inside, widths, distances = 0, [], []
            for seed in range(repeats):
                found = density(
                    lambda v, s=spectrum: s * v, len(spectrum), probes=probes, steps=steps, seed=SEED + seed
                )
                band = found.cumulative(points)
                inside += bool(np.all((true >= band.low - 1e-12) & (true <= band.high + 1e-12)))
                widths.append(float(np.mean(band.high - band.low)))
                distances.append(float(np.abs(band.share - true).max()))
            rows.append(
                [
                    name,
                    f"{probes} x {steps}",
                    interval(inside, repeats),
                    f"{np.mean(widths):.3f}",
                    f"{found.sampling():.3f}",
                    f"{np.median(distances):.3f}",
                ]
            )
    head = [
        "spectrum",
        "probes x steps",
        "truth inside everywhere, %",
        "mean width",
        "sampling alone, ±",
        "Kolmogorov distance",
    ]
    table("The band of the cumulative density at 95 %", head, rows)


def traces(repeats: int) -> None:
    rows = []
    for name, spectrum in SPECTRA.items():
        size = len(spectrum)
        basis, _ = np.linalg.qr(np.random.default_rng(SEED).standard_normal((size, size)))
        matrix = (basis * spectrum) @ basis.T
        for products in (9, 18, 30, 60):
            inside, errors, halves = 0, [], []
            for seed in range(repeats):
                found = trace(lambda v, m=matrix: m @ v, size, products=products, seed=SEED + seed)
                low, high = found.interval()
                inside += low <= spectrum.sum() <= high
                errors.append(found.value - spectrum.sum())
                halves.append((high - low) / 2)
            plain = math.sqrt(2.0 / products) * float(np.linalg.norm(spectrum))
            rows.append(
                [
                    name,
                    str(products),
                    interval(inside, repeats),
                    f"{np.sqrt(np.mean(np.square(errors))):.2e}",
                    f"{np.mean(halves):.2e}",
                    f"{plain:.2e}",
                ]
            )
    head = [
        "spectrum",
        "products",
        "trace inside, %",
        "error (root mean square)",
        "mean half width",
        "error of Hutchinson's",
    ]
    table("The interval of the trace at 95 %", head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=400)
    repeats = parser.parse_args().repeats
    for measure in (certain, missed, densities, traces):
        measure(repeats)


if __name__ == "__main__":
    main()
