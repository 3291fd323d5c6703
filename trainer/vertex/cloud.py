"""The one door to Vertex AI: create, get, list, cancel and delete jobs, as plain JSON in the REST API's own spelling.

Google's client (`google-cloud-aiplatform`, an extra) is imported here and nowhere else, when a job is first spoken of. It goes
over REST, to Vertex AI and to a rehearsal on this machine alike, so that what was rehearsed is what runs.

    vertex = Vertex(Place("my-project", "europe-west4"))
    job = vertex.create("nasJobs", {"displayName": "first", "nasJobSpec": {...}})
    vertex.get(job["name"])["state"]        # "JOB_STATE_PENDING"

What passes (429, 503, a dropped connection) is tried again, with growing pauses, for `patience_s`. Creating is the exception
that matters, as a job costs money: a lost answer does not say whether the job exists. Every job carries a label of its own,
and before a second try the server is asked for a job with that label.
"""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from nas.errors import UserError
from trainer.vertex.kinds import KINDS, kind_of
from trainer.vertex.place import Place
from trainer.vertex.requests import REQUEST_LABEL, labelled

T = TypeVar("T")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
CALL_S = 60.0  # one HTTP call; a hanging connection is then a dropped one


class CloudError(UserError):
    """What Vertex AI refused, or that it does not answer.

    Attributes:
        code: the HTTP status; 0: there was no answer.
    """

    code = 0


class NoSuchJob(CloudError):
    """There is no resource of this name."""

    code = 404


class Vertex:
    """A client for one project and region.

    Args:
        place: which.
        patience_s: for how long a call is tried again while the server is busy or cannot be reached.

    Raises:
        UserError: the library is not installed, or no credentials are found.
    """

    def __init__(self, place: Place, *, patience_s: float = 120.0):
        self.place, self.patience_s = place, patience_s
        self._client = _open_client(place)

    def create(self, kind: str, job: Mapping[str, Any]) -> dict[str, Any]:
        """Creates a job, once: also where the answer is lost, and where the same labelled job is created again.

        Args:
            kind: one of `trainer.vertex.kinds.KINDS`.
            job: the resource, without a name; where its labels hold `REQUEST_LABEL` (see `labelled`) that label tells it
                from all others.

        Returns:
            The job as the server made it, with its name.

        Raises:
            UserError: a field that the API does not know, by its place.
            CloudError: the server refused it, or cannot be reached.
        """
        job = labelled(job)
        message, create = check_job(kind, job), self._method("create_{}", kind)

        def attempt(tried: bool) -> dict[str, Any]:
            found = self.find(kind, job, patience_s=0) if tried else None
            if found is not None:
                return found
            return _job_json(create(parent=self.place.parent, **{KINDS[kind].stem: message}, **_ONE_CALL))

        return self._patiently(f"{self.place.parent}/{kind}", attempt)

    def find(self, kind: str, job: Mapping[str, Any], patience_s: float | None = None) -> dict[str, Any] | None:
        """The job that was made of this labelled request; None: there is none."""
        label = job["labels"][REQUEST_LABEL]
        labelled_jobs = self.jobs(kind, f"labels.{REQUEST_LABEL}={label}", patience_s=patience_s)
        return next((found for found in labelled_jobs if found.get("labels", {}).get(REQUEST_LABEL) == label), None)

    def get(self, name: str) -> dict[str, Any]:
        """A job as it is now, the trials of a tuning included.

        Raises:
            NoSuchJob: there is none of this name.
            CloudError: the server refuses, or cannot be reached.
        """
        method = self._method("get_{}", kind_of(name))
        return self._patiently(name, lambda tried: _job_json(method(name=name, **_ONE_CALL)))

    def jobs(
        self, kind: str, filter: str = "", page_size: int = 100, patience_s: float | None = None
    ) -> Iterator[dict[str, Any]]:
        """The jobs of a kind, the newest first, page by page as they are asked for."""
        method = self._method("list_{}s", kind)
        found = self._pages(self.place.parent, method, KINDS[kind].stem + "s", page_size, patience_s, filter=filter)
        return map(_job_json, found)

    def trials(self, name: str, page_size: int = 100) -> Iterator[dict[str, Any]]:
        """The `NasTrialDetail`s of an architecture search, page by page as they are asked for."""
        found = self._pages(name, self._client.list_nas_trial_details, "nas_trial_details", page_size, None)
        return map(_to_json, found)

    def trial(self, name: str) -> dict[str, Any]:
        """One `NasTrialDetail` by its resource name."""
        return self._patiently(name, lambda tried: _to_json(self._client.get_nas_trial_detail(name=name, **_ONE_CALL)))

    def cancel(self, name: str) -> None:
        """Asks for a job's end; what its trials reported stays. The job's state tells when it has ended."""
        method = self._method("cancel_{}", kind_of(name))
        self._patiently(name, lambda tried: method(name=name, **_ONE_CALL))

    def delete(self, name: str) -> None:
        """Deletes an ended job and its record of trials; what they wrote to storage stays."""
        method = self._method("delete_{}", kind_of(name))

        def attempt(tried: bool) -> None:
            try:
                method(name=name, **_ONE_CALL).result(timeout=CALL_S)
            except Exception as error:
                if not (tried and _status(error) == 404):  # the first answer was lost, the deed was done
                    raise

        self._patiently(name, attempt)

    def _method(self, form: str, kind: str) -> Callable[..., Any]:
        return getattr(self._client, form.format(KINDS[kind].stem))

    def _pages(
        self, parent: str, method: Callable[..., Any], field: str, page_size: int, patience_s: float | None, **more: str
    ) -> Iterator[Any]:
        token = ""
        while True:
            request = {"parent": parent, "page_size": page_size, "page_token": token, **more}

            def fetch(tried: bool, request: dict[str, Any] = request) -> Any:
                return next(method(request=request, **_ONE_CALL).pages)

            page = self._patiently(parent, fetch, patience_s)
            yield from getattr(page, field)
            token = page.next_page_token
            if not token:
                return

    def _patiently(self, what: str, attempt: Callable[[bool], T], patience_s: float | None = None) -> T:
        """`attempt`'s result; told whether it was tried before. Passing troubles are waited out, others become `CloudError`."""
        deadline = time.monotonic() + (self.patience_s if patience_s is None else patience_s)
        pause, tried = FIRST_PAUSE_S, False
        while True:
            try:
                return attempt(tried)
            except Exception as error:
                if not _is_passing(error) or time.monotonic() + pause > deadline:
                    raise _translate(error, what, self.place) from error
            time.sleep(pause * random.uniform(0.5, 1.0))  # apart from others that were refused at the same time
            pause, tried = min(2 * pause, LONGEST_PAUSE_S), True


def check_job(kind: str, job: Mapping[str, Any]) -> Any:
    """A job as the client's own message.

    Raises:
        UserError: a field that the API does not know, or a value of the wrong type, by its place.
    """
    v1 = _library()
    from google.protobuf import json_format

    message_class = getattr(v1, KINDS[kind].message)
    message = message_class.pb()()
    try:
        json_format.ParseDict(dict(job), message)
    except json_format.ParseError as error:
        raise UserError(f"the API does not take it ({_one_line(error)})", path=KINDS[kind].stem, received=dict(job)) from None
    return message_class.wrap(message)


def as_sent(kind: str, job: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """The request that `Vertex.create` would send: method, address and body, after the client's own message has read it.

    The body is spelled as in the API's reference; on the wire the client writes a name such as MAXIMIZE by its number.
    """
    return {"method": "POST", "url": f"{place.url}/v1/{place.parent}/{kind}", "body": _to_json(check_job(kind, job))}


def _library() -> Any:
    try:
        from google.cloud import aiplatform_v1
    except ImportError:
        hint = "Run: pip install 'espalier-nas[vertex]'"
        raise UserError("Vertex AI needs google-cloud-aiplatform", path="nas vertex", hint=hint) from None
    return aiplatform_v1


def _open_client(place: Place) -> Any:
    v1 = _library()
    from google.api_core.client_options import ClientOptions
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import DefaultCredentialsError

    options = ClientOptions(api_endpoint=place.url if place.is_local else place.url.removeprefix("https://"))
    credentials = AnonymousCredentials() if place.is_local else None
    try:
        client = v1.JobServiceClient(transport="rest", client_options=options, credentials=credentials)
    except DefaultCredentialsError:
        hint = "Run: gcloud auth application-default login"
        raise UserError("no credentials for Google Cloud were found", path="--project", hint=hint) from None
    if place.is_local:
        client.transport._session.trust_env = False  # no proxy from the environment between two ends of one machine
    return client


_ONE_CALL: Mapping[str, Any] = {"retry": None, "timeout": CALL_S}


def _to_json(message: Any) -> dict[str, Any]:
    from google.protobuf import json_format

    return json_format.MessageToDict(type(message).pb(message))


def _job_json(job: Any) -> dict[str, Any]:
    """A job with its state, also where it is the one that protobuf's JSON leaves out."""
    return {"state": "JOB_STATE_UNSPECIFIED", **_to_json(job)}


def _status(error: BaseException) -> int:
    return int(getattr(error, "code", 0) or 0)


def _is_passing(error: BaseException) -> bool:
    import requests
    from google.auth.exceptions import TransportError
    from google.protobuf.json_format import ParseError

    lost = requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError | TransportError
    if isinstance(error, lost | ParseError):  # no answer, or something in between that answered with a page of its own
        return True
    return _status(error) in (429, 500, 502, 503, 504)


def _translate(error: Exception, what: str, place: Place) -> Exception:
    """What the user can do about it; what is no trouble of the cloud stays what it is."""
    code, said = _status(error), _one_line(error)
    if isinstance(error, UserError):
        return error
    if code == 404:
        return NoSuchJob("it does not exist", path=what, hint="Check project, region and name; deleted jobs are gone")
    if code in (401, 403):
        hint = "Run: gcloud auth application-default login, or ask for the role Vertex AI User (roles/aiplatform.user)"
        return _with_code(CloudError(f"access refused ({said})", path=what, hint=hint), code)
    if code == 429:
        hint = "Ask for more quota, or try again later"
        return _with_code(CloudError(f"the quota is used up ({said})", path=what, hint=hint), code)
    if 400 <= code < 500:
        return _with_code(CloudError(f"refused ({said})", path=what, hint="Mend the request; --dry-run shows it"), code)
    if code or _is_passing(error):
        hint = "Try again; a job that runs there goes on"
        return _with_code(CloudError(f"{place.url} does not answer ({said})", path=what, hint=hint), code)
    with contextlib.suppress(ImportError):
        from google.auth.exceptions import GoogleAuthError

        if isinstance(error, GoogleAuthError):
            hint = "Run: gcloud auth application-default login"
            return CloudError("the credentials for Google Cloud do not work", path=what, hint=hint)
    return error


def _with_code(error: CloudError, code: int) -> CloudError:
    error.code = code
    return error


def _one_line(error: BaseException) -> str:
    text = re.sub(r"^(GET|POST|DELETE) \S+: ", "", str(getattr(error, "message", "") or error).strip())
    return (text.splitlines() or [type(error).__name__])[0][:300]
