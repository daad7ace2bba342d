"""What pictures are looked at with, as the options of measuring commands say."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from lfsgan_cli.jobs.looking import Eye
    from lfsgan_cli.metrics.features import Mode as FidMode
    from lfsgan_cli.metrics.features import Name as Features
    from lfsgan_cli.metrics.judges import Name as LpipsFeatures


@dataclass(frozen=True)
class Weights:
    """Names of the networks, and where their weights are."""

    features: "Features"
    fid_mode: "FidMode"
    inception_weights: Path | None
    lpips_features: "LpipsFeatures"
    vgg_weights: Path | None
    offline: bool

    def eye(self, device: "torch.device", *, perceptual: bool) -> "tuple[Eye, str]":
        """And what to say of it."""
        from lfsgan_cli.jobs.looking import eye
        from lfsgan_cli.metrics import features, judges

        found = features.pick(
            self.features,
            mode=self.fid_mode,
            inception_weights=self.inception_weights,
            offline=self.offline,
            device=device,
        )
        name = self.lpips_features if perceptual else "efficientnet-lite0"
        judge = judges.pick(name, found.extractor, vgg_weights=self.vgg_weights, offline=self.offline, device=device)
        judged = f" Likeness is judged by {judge.name}." if perceptual else ""
        return eye(found.extractor, judge), f"{found.why[0].upper()}{found.why[1:]}.{judged}"
