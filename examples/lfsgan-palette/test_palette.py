from lfsgan_palette import PALETTE

from lfsgan_cli.testing import check_recipe


def test_palette_keeps_the_contract() -> None:
    check_recipe(PALETTE)
