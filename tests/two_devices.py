"""Trains a head on two processes, as on two GPUs: `python tests/two_devices.py HOME`."""

import sys
from pathlib import Path

from test_training import HEAD

from photosearch.home import Home
from training.fit import train_head

if __name__ == "__main__":
    two = {"accelerator": "cpu", "devices": 2, "strategy": "ddp"}
    few = HEAD.model_copy(update={"epochs": 3, "batch": 4})
    sys.stdout.write(train_head(Home(Path(sys.argv[1])), few, machine=two).model_id + "\n")
