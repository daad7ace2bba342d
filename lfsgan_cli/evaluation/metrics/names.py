"""Says how many pictures a number rests on: in the metric's name, in warnings, and where there are too few."""

from __future__ import annotations

from collections.abc import Mapping

from lfsgan_cli.errors import LfsganError

KID_SIZE = 1000  # pictures of a subset; published KIDs are of this size or near it
# Two sets out of one style of avatars, by efficientnet-lite0, where KID is 0: its standard deviation was 0.018 with 10
# pictures each, 0.003 with 50, 0.0004 with 500. Two styles are 0.22 apart, and tasks are compared by much less.
KID_FEW = 50
NEIGHBOURHOODS = 10  # a neighbourhood should hold a tenth of the pictures at most
NEAREST = 5  # neighbours of density and coverage (Naeem et al., 2020), the most that any metric asks for


class TooFewToMeasureError(LfsganError):
    """A number that needs two pictures or more was asked of fewer."""

    def __init__(self, metric: str, count: int) -> None:
        found = {0: "no picture", 1: "one picture"}.get(count, f"{count} pictures")
        super().__init__(f"{metric} of {found}: expected at least 2; give more pictures")


class TooFewNeighboursError(LfsganError):
    """Neighbourhoods of k pictures were asked for in a set where no picture has so many others."""

    def __init__(self, metric: str, count: int, k: int) -> None:
        super().__init__(
            f"{metric} of {count} pictures with k={k} neighbours: expected more than {k} pictures; "
            "give more pictures, or a smaller k"
        )


class TooFewForBlocksError(LfsganError):
    """Blocks of seeds so small that the metric cannot be taken of one."""

    def __init__(self, metric: str, *, count: int, blocks: int, least: int) -> None:
        super().__init__(
            f"{blocks} blocks of {count} pictures have {count // blocks} each: expected {least} or more for {metric}; "
            f"draw {blocks * least} pictures or more with -n, or use fewer --blocks"
        )


def require_two(metric: str, count: int) -> None:
    """TooFewToMeasureError where `count` pictures have neither a spread nor a pair."""
    if count < 2:
        raise TooFewToMeasureError(metric, count)


def require_neighbours(metric: str, count: int, k: int) -> None:
    """TooFewNeighboursError where no one of `count` pictures has `k` others; ValueError for k below 1."""
    if k < 1:
        raise ValueError(f"k={k}: expected 1 or more")
    if count <= k:
        raise TooFewNeighboursError(metric, count, k)


def require_blocks(metric: str, *, count: int, blocks: int, least: int) -> None:
    """TooFewForBlocksError where a block has fewer than `least` of the pictures; ValueError for less than 2 blocks."""
    if blocks < 2:
        raise ValueError(f"{blocks} blocks: expected 2 or more, since one alone has no spread")
    if count // blocks < least:
        raise TooFewForBlocksError(metric, count=count, blocks=blocks, least=least)


def label(metric: str, extractor: str, *, n: int, reals: int | None = None, blocks: int | None = None) -> str:
    """The name under which a number is shown: 'fid[inception] n=5000 reals=2000'; without `reals` for diversity.

    With `blocks`, n is the count of one of them: 'fid[inception] n=1000 blocks=5 reals=2000'.
    """
    parts = {"n": n, "blocks": blocks, "reals": reals}
    counts = " ".join(f"{name}={count}" for name, count in parts.items() if count is not None)
    return f"{metric}[{extractor}] {counts}"


def fid_warnings(*, n: int, reals: int, dim: int) -> list[str]:
    """A sentence for each set too small for its `dim` features, generated pictures first; none where both suffice.

    The covariance of N pictures has rank N - 1 at most, so up to `dim` of them leave directions without any spread,
    and the distance then tells more of N than of the pictures.
    """
    return [
        f"FID with {count} {kind} pictures is dominated by their number: {dim} features want more than {dim} pictures; "
        f"{way_out}, or compare only numbers of equal counts"
        for count, kind, way_out in _sets(n, reals)
        if count <= dim
    ]


def kid_warnings(*, n: int, reals: int) -> list[str]:
    """A sentence for each set of fewer than KID_FEW pictures, and one where subsets had to be smaller than KID_SIZE.

    KID is unbiased for any count, so smaller subsets do not shift it; but what chance adds grows as the count falls.
    """
    few = [
        f"KID with {count} {kind} pictures varies much by chance: it wants {KID_FEW} or more; {way_out}"
        for count, kind, way_out in _sets(n, reals)
        if count < KID_FEW
    ]
    size = min(n, reals)
    if few or size >= KID_SIZE:
        return few
    return [f"KID is of subsets of {size} pictures, not the usual {KID_SIZE}: unbiased all the same, but less certain"]


def manifold_warnings(*, n: int, reals: int, k: int) -> list[str]:
    """A sentence for each set whose neighbourhoods of k pictures are more than a tenth of it.

    A radius then spans what lies between groups of pictures, and nearly anything counts as inside.
    """
    return [
        f"precision, recall, density and coverage with {count} {kind} pictures are coarse: a neighbourhood of k={k} is "
        f"more than a tenth of them; {way_out} ({NEIGHBOURHOODS * k} or more)"
        for count, kind, way_out in _sets(n, reals)
        if count < NEIGHBOURHOODS * k
    ]


def _sets(n: int, reals: int) -> list[tuple[int, str, str]]:
    """Of both sets: the count, which one it is, and how to have more of it."""
    return [(n, "generated", "draw more with -n"), (reals, "real", "give the full set with --reals")]


# Which way a metric is better, so that tables can say so and forgetting has a sign.


LESS_IS_BETTER = frozenset({"fid", "kid", "near_duplicates"})
MORE_IS_BETTER = frozenset(
    {"precision", "recall", "density", "coverage", "intra_lpips", "b_lpips", "b_lpips_normalised"}
)
# Copies are nearer to the shots than real pictures are, and pictures that miss the domain are farther: neither less nor
# more is better. Forgetting has no sign there either: a network that forgot a domain would have gained by it.
BEST: Mapping[str, float] = {"closer": 0.5}
LEGEND = "↓ less is better, ↑ more is better, → best at the number behind it."


def less_is_better(metric: str) -> bool | None:
    """Whether less of a metric is better; None where more is not worse throughout, or it is not known."""
    if metric in LESS_IS_BETTER:
        return True
    return False if metric in MORE_IS_BETTER else None


def marked(metric: str, name: str) -> str:
    """The shown name of a metric with an arrow that points where it is better."""
    if metric in BEST:
        return f"{name} → {BEST[metric]:g}"
    arrow = {True: " ↓", False: " ↑", None: ""}[less_is_better(metric)]
    return f"{name}{arrow}"
