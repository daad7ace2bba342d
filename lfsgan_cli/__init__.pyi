from lfsgan_cli.api import OpenWorkspace as OpenWorkspace
from lfsgan_cli.api import open_workspace as open_workspace
from lfsgan_cli.errors import LfsganError as LfsganError

__version__: str
