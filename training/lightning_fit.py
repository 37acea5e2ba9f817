"""How both trainings run: one Trainer set-up with progress, checkpoints and resuming."""

import hashlib
import logging
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import ModelCheckpoint

from photosearch.embedding.torch_device import choose_device

log = logging.getLogger(__name__)
EVERY_S = 10.0
ONE_DEVICE: Mapping[str, Any] = {}
LAST = "last"
"""The one checkpoint kept: of the last whole epoch."""


class TellProgress(lightning.Callback):
    """Logs `training tower: step 120/2500, 2.9 steps/s, 820 s left, loss 1.93`."""

    def __init__(self, doing: str) -> None:
        self.doing = doing
        self.started = self.told = time.monotonic()
        self.first_step = 0
        self.ended = self.started
        self.waited_s = 0.0
        """Between the end of a step and the start of the next, epochs' ends left out."""

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        self.started = self.told = time.monotonic()
        self.first_step = trainer.global_step

    def on_train_epoch_start(self, *_: Any) -> None:
        self.ended = time.monotonic()

    def on_train_batch_start(self, *_: Any) -> None:
        self.waited_s += time.monotonic() - self.ended

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        self.ended = now = time.monotonic()
        if now - self.told < EVERY_S:
            return
        self.told = now
        steps = int(trainer.estimated_stepping_batches)
        rate = (trainer.global_step - self.first_step) / (now - self.started)
        log.info(
            "%s: step %d/%d, %.1f steps/s, %.0f s left, loss %.3f",
            self.doing, trainer.global_step, steps, rate, (steps - trainer.global_step) / rate,
            float(trainer.callback_metrics.get("loss", float("nan"))),
        )  # fmt: skip

    def on_train_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        steps, seconds = trainer.global_step - self.first_step, time.monotonic() - self.started
        log.info(
            "%s: %d steps in %.1f s, %.1f steps/s, %.1f%% of it waiting for data",
            self.doing, steps, seconds, steps / seconds, 100 * self.waited_s / seconds,
        )  # fmt: skip


def fit(  # noqa: PLR0913 - options have names
    module: lightning.LightningModule,
    batches: Any,
    *,
    doing: str,
    epochs: int,
    resume: Path,
    machine: Mapping[str, Any] = ONE_DEVICE,
) -> None:
    """Trains `module` to the end, or goes on from the last whole epoch in `resume`.

    Args:
        module: Holds the trained weights afterwards.
        batches: A DataLoader.
        doing: What progress lines call it.
        epochs: Passes over the loader, those before an interruption included.
        resume: A folder of this very training: named after its data and parameters by the caller,
            so that another training never goes on from it.
        machine: What the Trainer shall know beside the device that is found: `devices`, `strategy`,
            `num_nodes`, ... Of several processes only the first comes back from here.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # tips and adverts
    checkpoint = ModelCheckpoint(resume, LAST, every_n_epochs=1, enable_version_counter=False)
    device = choose_device()
    trainer = lightning.Trainer(
        **{"accelerator": device.name, "devices": 1, **machine},
        max_epochs=epochs,
        use_distributed_sampler=False,  # ours knows its process
        precision="32-true",  # each module casts where it pays: autocast() inside its step
        callbacks=[checkpoint, TellProgress(doing)],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=resume,
    )
    last = resume / f"{LAST}.ckpt"
    if last.is_file():
        log.info("%s: going on from %s", doing, last)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory.*not empty.*")
        trainer.fit(module, batches, ckpt_path=last if last.is_file() else None)
    if not trainer.is_global_zero:
        raise SystemExit(0)  # it was started for this training alone


def fingerprint(*parts: object) -> str:
    """Names a training by all it depends on: only the same one goes on from its checkpoint."""
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()[:12]
