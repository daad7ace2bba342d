"""Which way a metric is better, so that tables can say so and forgetting has a sign."""

from collections.abc import Mapping

LESS_IS_BETTER = frozenset({"fid", "kid", "near_copies"})
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
