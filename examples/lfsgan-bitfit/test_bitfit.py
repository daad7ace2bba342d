from lfsgan_bitfit import BitFit

from lfsgan_cli.testing import check_adapter


def test_bitfit_keeps_the_contract() -> None:
    check_adapter(BitFit)
