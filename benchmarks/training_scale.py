"""Seconds and memory of the whole training on a generated log: ``python benchmarks/training_scale.py IMPRESSIONS``.

A process of its own for each log, so that the most memory it ever held is of this training alone.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from clock import Clock
from generated import World, training_set

from recsys.training.fit import fit

SCALE = "the whole training on a generated log, one thread, CPU seconds"

Row = dict[str, Any]


def in_child(impressions: int) -> Row:
    """The row of one generated log, from a process that does nothing else."""
    command = [sys.executable, __file__, str(impressions)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def generated_row(impressions: int) -> Row:
    """Seconds by stage, and the most memory that this process ever held, which has the log as well."""
    data = training_set(World(impressions))
    before, clock = _peak(), Clock()
    model = fit(data, version="benchmark", report=clock)
    stages = {name: round(seconds, 1) for name, seconds in clock.seconds.items()}
    return {
        "table": SCALE, "name": f"{impressions:,} impressions", "examples": model.metrics["lists"], **stages,
        "CPU seconds": sum(clock.seconds.values()), "peak MB before": before, "peak MB": _peak(),
    }  # fmt: skip


def _peak() -> int:
    """The most memory of this process in MB; what getrusage says goes on from the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(generated_row(int(sys.argv[1]))))
