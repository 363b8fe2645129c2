"""A clock that tells the seconds of a training by stage."""

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """CPU seconds by stage; give it to a training as its ``report``."""

    seconds: dict[str, float] = field(default_factory=dict)
    stage: str = "load"
    since: float = field(default_factory=time.process_time)

    def __call__(self, stage: str, done: int = 0, _total: int = 0) -> None:
        """What passed belongs to the stage that reports it, or to the one before where this one only begins."""
        now = time.process_time()
        passed = stage if done else self.stage
        self.seconds[passed] = self.seconds.get(passed, 0.0) + now - self.since
        self.stage, self.since = stage, now
