"""Where encoders run and in which numbers: bfloat16 where the hardware computes it, else float32."""

from pathlib import Path

import torch

from recsys.domain import RecsysError
from recsys.settings import Settings

CPUINFO = Path("/proc/cpuinfo")
DTYPE_NAMES = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}


def choose_device(setting: str) -> torch.device:
    """The device for ``RECSYS_DEVICE`` ("auto", "cpu" or "cuda"); "auto" takes a GPU where there is one."""
    if setting == "cuda" and not torch.cuda.is_available():
        raise RecsysError("RECSYS_DEVICE is cuda, but torch finds no CUDA device here: set it to auto or cpu.")
    return torch.device("cuda" if setting != "cpu" and torch.cuda.is_available() else "cpu")


def set_threads(settings: Settings) -> None:
    """Give torch the number of threads that the settings name."""
    if settings.threads:
        torch.set_num_threads(settings.threads)


def choose_dtype(device: torch.device) -> torch.dtype:
    """The fastest number type that keeps a cosine of .999 to float32 on this device."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.bfloat16 if cpu_has_bfloat16() else torch.float32


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 itself; elsewhere torch emulates it, slower than float32.

    Read from the kernel's list of CPU flags, since torch tells it by a private function only; a system without
    that list (macOS, Windows) counts as one without bfloat16.
    """
    return CPUINFO.exists() and "avx512_bf16" in CPUINFO.read_text().split()
