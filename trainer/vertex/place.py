"""Where in the cloud: a project and a region, always named by the user, and which server answers for them.

    Place("my-project", "europe-west4")                                        Vertex AI
    Place("rehearsal", "europe-west4", "http://127.0.0.1:8080")                a local server with the same interface

There is no default project and no default region: nothing is sent anywhere that was not named. The one server that may be
reached without encryption and credentials is on this machine.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from nas.errors import UserError

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclasses.dataclass(frozen=True)
class Place:
    """A project in a region.

    Args:
        project: its id or number.
        region: such as "europe-west4".
        endpoint: "http://127.0.0.1:PORT" of a rehearsal; "": Vertex AI itself.

    Raises:
        UserError: a project, region or endpoint that cannot be one.
    """

    project: str
    region: str
    endpoint: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{3,61}[a-z0-9]|\d+", self.project):
            expected = "a project id such as my-project"
            raise UserError(f"{self.project!r} is no project", path="--project", received=self.project, expected=expected)
        if not re.fullmatch(r"[a-z]+(-[a-z]+)+\d+", self.region):
            expected = "a region such as europe-west4"
            raise UserError(f"{self.region!r} is no region", path="--region", received=self.region, expected=expected)
        if self.endpoint:
            object.__setattr__(self, "endpoint", _loopback(self.endpoint))

    @property
    def parent(self) -> str:
        """The resource that jobs belong to."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def url(self) -> str:
        """The server's address, without a slash at the end."""
        return self.endpoint or f"https://{self.region}-aiplatform.googleapis.com"

    @property
    def is_local(self) -> bool:
        """Whether it is a rehearsal: no credentials are looked for, none are sent."""
        return bool(self.endpoint)

    def to_json(self) -> dict[str, str]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Place:
        return cls(data["project"], data["region"], data["endpoint"])


def _loopback(endpoint: str) -> str:
    """`endpoint` as scheme, host and port. Anything but plain HTTP on this machine is refused: it would get no credentials."""
    try:
        parts = urlsplit(endpoint)
        is_fine = parts.scheme == "http" and parts.hostname in LOOPBACK and bool(parts.port)
        is_fine = is_fine and not (parts.username or parts.query or parts.fragment or parts.path.strip("/"))
    except ValueError:
        is_fine = False
    if not is_fine:
        raise UserError(
            f"{endpoint!r} is not on this machine",
            path="--endpoint",
            received=endpoint,
            expected="http://127.0.0.1:PORT",
            hint="For Vertex AI itself leave it out: project and region say where it is",
        )
    return f"http://{parts.netloc}"
