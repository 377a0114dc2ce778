"""Cliffhanger: contrastive pairs that end right before the trait is expressed."""

import sys

__version__ = "0.1.0"

if sys.platform == "win32":  # its file locks are others; said before the first import that fails there
    sys.stderr.write("cliffhanger: Windows is not supported. Run it in WSL (wsl --install), on Linux or on macOS.\n")
    raise SystemExit(64)
