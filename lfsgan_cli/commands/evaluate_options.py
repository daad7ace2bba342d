"""The options of `lfsgan evaluate`, in the order of its help."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Tasks = Annotated[list[str] | None, typer.Option("--task", metavar="NAME", help="A task; all of them if not given.")]
Fid = Annotated[bool, typer.Option("--fid", help="The Fréchet distance of features; less is nearer.")]
Kid = Annotated[bool, typer.Option("--kid", help="The kernel distance, unbiased for small sets; less is nearer.")]
Prdc = Annotated[bool, typer.Option("--prdc", help="Precision, recall, density and coverage; more is better.")]
Lpips = Annotated[bool, typer.Option("--lpips", help="Intra-LPIPS and B-LPIPS: variety around the few shots.")]
Memorisation = Annotated[bool, typer.Option("--memorisation", help="The share of pictures that copy a shot.")]
Everything = Annotated[bool, typer.Option("--all", help="All of these.")]
Retention = Annotated[bool, typer.Option("--retention", help="Prove that nothing of any task has changed.")]
RealPictures = Annotated[
    Path | None,
    typer.Option("--reals", metavar="DIR|ZIP", help="Real pictures to compare with; if not given, the few shots."),
]
FewShots = Annotated[
    Path | None,
    typer.Option("--shots", metavar="DIR|ZIP", help="The few shots; if not given, those in the workspace."),
]
Fakes = Annotated[
    Path | None,
    typer.Option("--fakes", metavar="DIR|ZIP", help="Measure these pictures, of whatever program, and no task."),
]
Count = Annotated[int, typer.Option("-n", min=2, help="Pictures to draw of each task, from seed 0 on.")]
Blocks = Annotated[
    int, typer.Option("--blocks", min=1, help="Measure so many equal parts, and give their mean and deviation.")
]
WithBase = Annotated[
    bool, typer.Option("--with-base", help="Measure the base as well, but for what needs shots; give --reals.")
]
Save = Annotated[Path | None, typer.Option("--save", metavar="DIR", help="Keep what is drawn, in a folder a task.")]
Features = Annotated[
    Literal["auto", "inception", "efficientnet-lite0"], typer.Option("--features", help="What looks at the pictures.")
]
FidMode = Annotated[
    Literal["clean", "legacy-pytorch"],
    typer.Option("--fid-mode", help="How pictures are resized for Inception; papers used legacy-pytorch."),
]
LpipsFeatures = Annotated[
    Literal["auto", "vgg", "efficientnet-lite0"], typer.Option("--lpips-features", help="What judges likeness.")
]
InceptionWeights = Annotated[
    Path | None, typer.Option("--inception-weights", metavar="FILE", help="Inception's weights, if not in the cache.")
]
VggWeights = Annotated[
    Path | None, typer.Option("--vgg-weights", metavar="FILE", help="VGG16's weights, if not in the cache.")
]
Offline = Annotated[
    bool, typer.Option("--offline", envvar="LFSGAN_OFFLINE", help="Never download; weights must be at hand.")
]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Pictures looked at at once; changes speed only.")]
