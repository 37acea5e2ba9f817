"""On PYTHONPATH, it makes a Python process one in which torch and its kin are not installed."""

import sys
from collections.abc import Sequence

MISSING = {"torch", "torchvision", "open_clip", "timm", "transformers", "onnx", "onnxscript"}


class NotInstalled:
    def find_spec(self, name: str, _path: Sequence[str] | None, _target: object = None) -> None:
        if name.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, NotInstalled())
