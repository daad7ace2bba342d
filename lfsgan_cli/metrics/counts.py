"""Says how many pictures a number rests on: in the metric's name, in warnings, and where there are too few."""

from __future__ import annotations

from lfsgan_cli.errors import LfsganError


class TooFewToMeasureError(LfsganError):
    """A number that needs two pictures or more was asked of fewer."""

    def __init__(self, metric: str, count: int) -> None:
        found = {0: "no picture", 1: "one picture"}.get(count, f"{count} pictures")
        super().__init__(f"{metric} of {found}: expected at least 2; give more pictures")


def require_two(metric: str, count: int) -> None:
    """TooFewToMeasureError where `count` pictures have neither a spread nor a pair."""
    if count < 2:
        raise TooFewToMeasureError(metric, count)


def label(metric: str, extractor: str, *, n: int, reals: int | None = None) -> str:
    """The name under which a number is shown: 'fid[inception] n=5000 reals=2000'; without `reals` for diversity."""
    against = "" if reals is None else f" reals={reals}"
    return f"{metric}[{extractor}] n={n}{against}"


def fid_warnings(*, n: int, reals: int, dim: int) -> list[str]:
    """A sentence for each set too small for its `dim` features, generated pictures first; none where both suffice.

    The covariance of N pictures has rank N - 1 at most, so up to `dim` of them leave directions without any spread,
    and the distance then tells more of N than of the pictures.
    """
    sets = [(n, "generated", "draw more with -n"), (reals, "real", "give the full set with --reals")]
    return [
        f"FID with {count} {kind} pictures is dominated by their number: {dim} features want more than {dim} pictures; "
        f"{way_out}, or compare only numbers of equal counts"
        for count, kind, way_out in sets
        if count <= dim
    ]
