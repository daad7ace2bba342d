"""Which way a metric is better, so that tables can say so and forgetting has a sign."""

LESS_IS_BETTER = frozenset({"fid", "kid", "near_copies"})
MORE_IS_BETTER = frozenset(
    {"precision", "recall", "density", "coverage", "intra_lpips", "b_lpips", "b_lpips_normalised"}
)
LEGEND = "↓ less is better, ↑ more is better."


def less_is_better(metric: str) -> bool | None:
    """Whether less of a metric is better; None where that is not known."""
    if metric in LESS_IS_BETTER:
        return True
    return False if metric in MORE_IS_BETTER else None


def marked(metric: str, name: str) -> str:
    """The shown name of a metric with an arrow that points where it is better."""
    arrow = {True: " ↓", False: " ↑", None: ""}[less_is_better(metric)]
    return f"{name}{arrow}"
