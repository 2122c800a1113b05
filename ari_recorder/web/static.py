"""Style sheets, scripts and pictures of our own, kept in memory, each under a name with the hash of its content."""

import mimetypes
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from ari_recorder.web.asked import Blob

STATIC = Path(__file__).parent / "static"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}


class Assets:
    """`url("frame.css")` is `/static/frame.<hash>.css`; another hash is another file, and not there."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._urls: dict[str, str] = {}
        blobs: dict[str, Blob] = {}
        for path in sorted(folder.iterdir()):
            body = path.read_bytes()
            digest = sha256(body).hexdigest()[:16]
            name = f"{path.stem}.{digest}{path.suffix}"
            kind = KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            blobs[name] = Blob(body=body, content_type=kind, etag=digest)
            self._urls[path.name] = f"/static/{name}"
        self._blobs: Mapping[str, Blob] = blobs

    def url(self, name: str) -> str:
        return self._urls[name]

    def find(self, name: str) -> Blob | None:
        return self._blobs.get(name)
