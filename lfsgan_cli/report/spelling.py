"""How the report spells numbers: as many digits as are read, the same in the page and in Markdown."""

from lfsgan_cli.report.model import Cell, Measured

NONE = "–"
MINUTE, HOUR = 60, 3600
_DECIMALS = ((1000, 0), (100, 1), (1, 2), (0.1, 3), (0.001, 4))  # from this size on, so many decimals


def spell(cell: Cell) -> str:
    """A cell in words: '–' for none, '1,300', '108.7', '0.0213', '108.7 ± 2.1'."""
    match cell:
        case None:
            return NONE
        case str():
            return cell
        case int():
            return f"{cell:,}"
        case float():
            return _float(cell, _decimals(cell))
        case Measured(value, error):
            decimals = _decimals(value) if error is None else _finer(_decimals(value), error)
            return _float(value, decimals) + ("" if error is None else f" ± {_float(error, decimals)}")


def spell_seconds(seconds: float) -> str:
    """A duration: '12.3 s', '6 min 20 s', '1 h 5 min'."""
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"


def spell_bytes(count: int) -> str:
    """A size of a file: '0.97 MB'."""
    return f"{count / 1e6:.2f} MB"


def _float(value: float, decimals: int | None) -> str:
    if value == 0:
        return "0"
    return f"{value:.2g}" if decimals is None else f"{value:,.{decimals}f}"


def _finer(decimals: int | None, error: float) -> int | None:
    """Up to two decimals more, where an error would be spelled as none at all."""
    if decimals is None or error == 0:
        return decimals
    return next((more for more in range(decimals, decimals + 2) if round(error, more)), decimals + 2)


def _decimals(value: float) -> int | None:
    return next((decimals for size, decimals in _DECIMALS if abs(value) >= size), None)
