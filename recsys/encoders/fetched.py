"""Where pictures lie that were fetched from elsewhere, so that encoders find every picture in a file."""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from recsys.domain import Timestamp, is_address
from recsys.encoders.pictures import local_file
from recsys.settings import MEDIA

NOWHERE = Path(os.devnull)  # for those to whom an address is no picture


@dataclass(frozen=True)
class Fetched:
    """Pictures that were fetched, each in a file named by its address."""

    folder: Path

    def file(self, image: str | None) -> Path | None:
        """Where a picture lies on this machine, wherever it came from; None when it does not."""
        if image is None or not is_address(image):
            return local_file(image, self.folder.parent / MEDIA)
        path = self._path(image)
        return path if path.is_file() else None

    def keep(self, address: str, data: bytes) -> None:
        """Write a picture; it is there whole or not at all."""
        path = self._path(address)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            partial.write_bytes(data)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def forget(self, before: Timestamp) -> int:
        """Delete what was fetched before a time, and return how many: only what is encoded again is fetched again."""
        old = [path for path in self.folder.glob("*/*") if path.stat().st_mtime < before]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _path(self, address: str) -> Path:
        name = sha256(address.encode("utf-8", "surrogatepass")).hexdigest()
        return self.folder / name[:2] / name
