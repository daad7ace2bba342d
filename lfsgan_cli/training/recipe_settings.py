"""The recipes that come along and are settings only; those with a loss of their own are in `ewc`, `cdc` and `dcl`.

Each is an entry point of the group `lfsgan.recipes` in pyproject.toml.
"""

from lfsgan_cli.recipe import Recipe

DEFAULT = Recipe(about="LFS-GAN, fixed and extended: the default.", paper="LFS-GAN, Seo et al., 2023")
QUICK = Recipe(
    training={"steps": 250},
    about="The default in a quarter of its steps: faces are whole, but less in the style of the images.",
    paper="LFS-GAN, Seo et al., 2023",
)
BEST = Recipe(
    training={"steps": 2500},
    about="The default with two and a half times as many steps: closer to the style of the images.",
    paper="LFS-GAN, Seo et al., 2023",
)

# JJuOn/LFS-GAN at 17c12f7, its defaults and the options of its README, including its departures from the paper: mode
# seeking compares the first samples of the batch and sums over their pairs, clusters are the step's few images, the raw
# generator is trained on and the EMA generator sampled from, nothing is averaged, R1 never reaches the patches. What it
# shares with the default is stated too, so that a new default does not change it.
PAPER = Recipe(
    training={
        "steps": 3002,
        "batch": 4,
        "lr": 0.002,
        "mirror": True,
        "precision": "fp32",
        "perceptual": "auto",
        "generator": "raw",
        "mixing": 0.9,
        "path_weight": 2.0,
        "path_every": 4,
        "energy_weight": 0.0,
        "loss_weight": 0.0,
        "memorization_weight": 0.0,
        "anchors.kind": "random",
        "anchors.every": 4,
        "anchors.spread": 0.1,
        "anchors.noise": "fixed",
        "anchors.weight": 0.0,
        "anchors.inversion_steps": 0,
        "mode_seeking.weight": 1.0,
        "mode_seeking.every": 1,
        "mode_seeking.batch": 16,
        "mode_seeking.pairs": "first",
        "mode_seeking.reduction": "sum",
        "mode_seeking.centers": "batch",
        "mode_seeking.noise": "random",
        "mode_seeking.epsilon": 1e-5,
        "discriminator.lr": 0.002,
        "discriminator.freeze_blocks": 0,
        "discriminator.shift": 0.0,
        "discriminator.r1_gamma": 10.0,
        "discriminator.r1_scaled": False,
        "discriminator.r1_every": 16,
        "augment.mode": "none",
        "features.weight": 0.0,
        "features.ramp": 0,
        "features.lr": 0.0,
        "optim.mapping_lr_scale": 1.0,
        "optim.noise_lr_scale": 1.0,
        "optim.adapter_rates": False,
        "optim.decay": 0.0,
        "optim.gradients": "zeroed",
        "optim.ema_steps": 0.0,
    },
    options={"left": {"rank": 1, "init": "paper", "gates": "hard", "biases": False, "crossed": False}},
    about="The training of the public LFS-GAN code, with its departures from the paper.",
    paper="LFS-GAN, Seo et al., 2023",
)

# Plain adversarial fine-tuning, which the published methods below begin with. Everything that a newer default could
# change is stated. The learning rate is the adapter's. R1 is 10 at 256x256, as in the public code of CDC, and less on
# smaller images; the EMA's half-life is StyleGAN2's 10,000 images in batches of 32. The strengths of the noise inputs
# stay the base's: the embedded base hardly uses noise, and where `full` learns them, images turn into dots.
FINE_TUNING = {
    "batch": 4,
    "mirror": True,
    "perceptual": "efficientnet-lite0",
    "generator": "ema",
    "mixing": 0.9,
    "path_weight": 2.0,
    "path_every": 4,
    "energy_weight": 0.0,
    "memorization_weight": 0.0,
    "anchors.kind": "none",
    "anchors.inversion_steps": 0,
    "anchors.weight": 0.0,
    "mode_seeking.weight": 0.0,
    "discriminator.lr": 0.002,
    "discriminator.freeze_blocks": 0,
    "discriminator.shift": 0.0,
    "discriminator.r1_gamma": 0.625,
    "discriminator.r1_scaled": True,
    "discriminator.r1_every": 16,
    "augment.mode": "none",
    "features.weight": 0.0,
    "optim.mapping_lr_scale": 1.0,
    "optim.noise_lr_scale": 0.0,
    "optim.adapter_rates": True,
    "optim.decay": 0.0,
    "optim.gradients": "dropped",
    "optim.ema_steps": 312.5,
}
TGAN = Recipe(
    training=FINE_TUNING,
    about="Plain adversarial fine-tuning on whole images, without any regularizer for few images.",
    paper="TransferGAN, Wang et al., 2018",
)
# The paper freezes all but the last blocks of the discriminator. How many that are depends on the resolution: here the
# blocks before patch scores stay frozen, two of four at 64x64 and two of six at 256x256.
FREEZED = Recipe(
    training={**FINE_TUNING, "discriminator.freeze_blocks": None},
    about="Fine-tuning with the first blocks of the discriminator frozen.",
    paper="FreezeD, Mo et al., 2020",
)
# The paper's probability rises by 1 in 500,000 images, more than learning a task shows: see `AugmentConfig.rise`.
ADA = Recipe(
    training={**FINE_TUNING, "augment.mode": "adaptive"},
    about="Fine-tuning with adaptive discriminator augmentation.",
    formula="D sees T(x), each transformation with p; p rises while E[sign D(x)] > 0.6",
    paper="StyleGAN2-ADA, Karras et al., 2020",
)
# The region of latents around anchors in which whole images are scored, and patches outside of it.
ANCHOR_REGION = {
    **FINE_TUNING,
    "anchors.kind": "random",
    "anchors.every": 4,
    "anchors.spread": 0.1,
    "anchors.noise": "fixed",
}
