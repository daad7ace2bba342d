"""Remote folders as a few verbs: a part of a bucket on an S3 server, or a repository on the Hugging Face Hub."""

from __future__ import annotations

import contextlib
import os
import random
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from lfsgan_cli.errors import LfsganError, one_line

S3, HUB = "s3", "hf"
_EXTRAS = {S3: ("s3fs", "s3"), HUB: ("huggingface_hub", "hub")}
_CONNECT = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 2}}  # seconds
_AT_ONCE = 16  # requests
_TRIES = 40  # commits to a repository that others change at the same time
_PAGE = 1000  # keys that an S3 server lists at once
_TOKEN = "lfsgan-push"  # noqa: S105 - the name of an entry in an object's metadata
_KEYS_WAY = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_LOGIN_WAY = "log in with `hf auth login`, or set HF_TOKEN"

Files = Mapping[str, bytes]
Describe = Callable[[list[str]], Files]  # from the possible ETags of a file to the files that are written with it


class RemoteError(LfsganError):
    """Something remote that cannot be read or written."""

    def __init__(self, address: Address, reason: str, way: str) -> None:
        super().__init__(f"{address}: {one_line(reason)}; {way}")


class AddressError(LfsganError):
    """An address that names nothing."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is no address of a remote workspace: expected s3://BUCKET/PATH or hf://OWNER/NAME")


class MissingExtraError(LfsganError):
    """A library that was not installed."""

    def __init__(self, scheme: str) -> None:
        module, extra = _EXTRAS[scheme]
        super().__init__(f"{scheme}:// needs {module}, which is not installed: pip install 'lfsgan[{extra}]'")


class ExistsError(LfsganError):
    """A file that is there already, and is not to be replaced."""

    def __init__(self, address: Address, key: str) -> None:
        super().__init__(f"{address} has {key!r} already; pass --overwrite to replace it, or choose another name")


@dataclass(frozen=True)
class Address:
    """A remote folder. place: bucket, or owner/name; folder: inside of it, empty for all; revision: of a repository."""

    scheme: str
    place: str
    folder: str = ""
    revision: str | None = None

    @classmethod
    def parse(cls, text: str | Path) -> Address | None:
        """The address that a URL spells, as text or as the path that became of it; None for local paths."""
        match = re.fullmatch(r"(s3|hf):[/\\]+(.*)", str(text), flags=re.DOTALL)
        if match is None:
            return None
        parts = [part for part in re.split(r"[/\\]", match[2]) if part]
        count = 1 if match[1] == S3 else 2
        if len(parts) < count or {".", ".."} & set(parts) or not match[2].isprintable():
            raise AddressError(f"{match[1]}://{match[2]}")
        place, _, revision = "/".join(parts[:count]).partition("@" if match[1] == HUB else "\0")
        return cls(match[1], place, "/".join(parts[count:]), revision or None)

    def __str__(self) -> str:
        """As users write it."""
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.scheme}://{'/'.join(filter(None, [self.place + revision, self.folder]))}"

    def key(self, path: str) -> str:
        """A path in the folder, as the server names it."""
        return f"{self.folder}/{path}" if self.folder else path

    @property
    def parent(self) -> Address:
        """The folder above."""
        return replace(self, folder=self.folder.rpartition("/")[0])


@dataclass(frozen=True)
class Stored:
    """A file. path: in the folder; etag: another one for other content; modified: ISO 8601, empty if not known."""

    path: str
    etag: str
    size: int
    modified: str = ""


class Store(Protocol):
    """The files of a remote folder. Every method raises RemoteError; paths are relative to the folder."""

    address: Address

    def exists(self) -> bool:
        """Whether there is anything to look into: not where a repository is still to be made."""

    def stat(self, path: str) -> Stored | None:
        """A file; None where there is none."""

    def page(self, folder: str, after: str, most: int) -> list[Stored]:
        """The files directly in a folder whose paths are behind `after`, in order, `most` of them at most."""

    def read(self, path: str, most: int | None = None) -> bytes | None:
        """The first `most` bytes of a file, or all; None where there is none."""

    def fetch(self, path: str, to: Path) -> None:
        """Write a file that is there to a local path."""

    def publish(self, path: str, data: bytes, describe: Describe, *, new: bool) -> None:
        """Write a file, whole or not at all, and then those that describe it. new: ExistsError where it is there."""


def open_store(address: Address) -> Store:
    """The folder at an address, which need not be there; MissingExtraError. Nothing is sent yet."""
    return S3Store(address) if address.scheme == S3 else HubStore(address)


def read_all(store: Store, paths: Iterable[str]) -> dict[str, bytes]:
    """Small files, several at once; those that are not there are left out."""
    listed = list(paths)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = zip(listed, pool.map(store.read, listed), strict=True)
        return {path: data for path, data in found if data is not None}


class S3Store:
    """A part of a bucket. Address and credentials of the server come from the variables and files of AWS."""

    def __init__(self, address: Address) -> None:
        self.address = address
        try:
            import s3fs
        except ImportError as error:
            raise MissingExtraError(S3) from error
        self._files: Any = s3fs.S3FileSystem(
            skip_instance_cache=True, use_listings_cache=False, config_kwargs=_CONNECT, default_fill_cache=False
        )
        self._files.retries = 2  # beside those of the library below

    def exists(self) -> bool:
        """See `Store`. Buckets are made by others."""
        return True

    def stat(self, path: str) -> Stored | None:
        """See `Store`."""
        try:
            found = self._call("head_object", Key=self.address.key(path))
        except FileNotFoundError:
            return None
        return Stored(path, found["ETag"], found["ContentLength"], found["LastModified"].isoformat())

    def page(self, folder: str, after: str, most: int) -> list[Stored]:
        """See `Store`."""
        prefix = self.address.key(f"{folder}/")
        found: list[Stored] = []
        options: dict[str, Any] = {"Prefix": prefix, "Delimiter": "/"}
        start = self.address.key(after) if after else prefix
        while len(found) < most:
            listed = self._call("list_objects_v2", MaxKeys=min(most - len(found), _PAGE), StartAfter=start, **options)
            for one in listed.get("Contents", ()):
                path = one["Key"].removeprefix(self.address.key("")) if self.address.folder else one["Key"]
                found.append(Stored(path, one["ETag"], one["Size"], one["LastModified"].isoformat()))
            if not listed["IsTruncated"]:
                break
            options["ContinuationToken"] = listed["NextContinuationToken"]
        return found

    def read(self, path: str, most: int | None = None) -> bytes | None:
        """See `Store`."""
        with self._worded():
            try:
                data = self._files.cat_file(f"{self.address.place}/{self.address.key(path)}", start=0, end=most)
            except FileNotFoundError as error:
                self._check_bucket(error)
                return None
        return bytes(data)

    def fetch(self, path: str, to: Path) -> None:
        """See `Store`."""
        with self._worded():
            self._files.get_file(f"{self.address.place}/{self.address.key(path)}", str(to))

    def publish(self, path: str, data: bytes, describe: Describe, *, new: bool) -> None:
        """See `Store`. One request for each file: the server takes it whole or not at all."""
        etag = self._put(path, data, new=new)
        for other, content in describe([etag]).items():
            self._put(other, content, new=False)

    def _put(self, path: str, data: bytes, *, new: bool) -> str:
        token, key = secrets.token_hex(16), self.address.key(path)
        condition = {"IfNoneMatch": "*"} if new else {}
        try:
            put = self._call("put_object", Key=key, Body=data, Metadata={_TOKEN: token}, **condition)
        except FileExistsError as error:
            # An answer may get lost: then the request is sent again, and finds what it wrote itself.
            put = self._own(path, token, error)
        else:
            # Servers that ignore the condition, or that do not check it and write in one step, let both of two write.
            put = self._own(path, token, None) if new else put
        return str(put["ETag"])

    def _own(self, path: str, token: str, error: Exception | None) -> Any:
        """A file that was written with this token; ExistsError where it is somebody else's."""
        found = self._call("head_object", Key=self.address.key(path))
        if found["Metadata"].get(_TOKEN) != token:
            raise ExistsError(self.address, path) from error
        return found

    def _call(self, method: str, **arguments: Any) -> Any:
        """A request; FileNotFoundError for a file that is not there, FileExistsError for one that is."""
        with self._worded():
            try:
                return self._files.call_s3(method, Bucket=self.address.place, **arguments)
            except FileNotFoundError as error:
                self._check_bucket(error)
                raise

    def _check_bucket(self, error: FileNotFoundError) -> None:
        """RemoteError where it is the bucket that is not there, and not only a file."""
        if _code(error) == "NoSuchBucket":
            reason = f"there is no bucket {self.address.place!r}"
            raise RemoteError(self.address, reason, "create the bucket first, or correct the address") from error

    @contextlib.contextmanager
    def _worded(self) -> Iterator[None]:
        from aiohttp import ClientError  # while a file is read, it is not translated
        from botocore.exceptions import BotoCoreError

        try:
            yield
        except FileNotFoundError:
            raise
        except (BotoCoreError, ClientError, OSError) as error:
            raise self._in_words(error) from error

    def _in_words(self, error: Exception) -> Exception:
        from botocore import exceptions as known

        code, way = _code(error), "try again later"
        match error:
            case (
                known.NoCredentialsError() | known.PartialCredentialsError() | known.ProfileNotFound()
                | known.CredentialRetrievalError() | known.TokenRetrievalError() | known.SSOError()
            ):  # fmt: skip
                reason, way = f"no usable credentials ({error})", _KEYS_WAY
            case known.ParamValidationError():
                return AddressError(str(self.address))
            case PermissionError():
                reason, way = f"the server refuses these credentials ({code}: {error})", f"{_KEYS_WAY} of an owner"
            case _ if code in {"PreconditionFailed", "412", "ConditionalRequestConflict"}:  # another one was faster
                return FileExistsError(str(error))
            case _ if code:
                reason = f"the server answers {code}: {error}"
            case _:
                reason = f"the server cannot be reached ({error})"
                way = "check the network, and AWS_ENDPOINT_URL if the server is not Amazon's"
        return RemoteError(self.address, reason, way)


def _code(error: Exception) -> str:
    """What an S3 server calls an error; empty where it did not come from a server."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


class HubStore:
    """A repository of the kind "model". A push is one commit; commits of others in between are noticed."""

    def __init__(self, address: Address) -> None:
        self.address = address
        try:
            import huggingface_hub
        except ImportError as error:
            raise MissingExtraError(HUB) from error
        self._hub: Any = huggingface_hub
        self._hub.logging.set_verbosity_error()  # its retries and bars would stand between our own lines
        self._hub.utils.disable_progress_bars()
        self._api = huggingface_hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
        self._where: dict[str, Any] = {"repo_id": address.place, "revision": address.revision}

    def exists(self) -> bool:
        """See `Store`."""
        with self._worded():
            return bool(self._api.repo_exists(self.address.place))

    def stat(self, path: str) -> Stored | None:
        """See `Store`."""
        with self._worded():
            found = self._api.get_paths_info(paths=[self.address.key(path)], **self._where)
        return next((self._stored(one) for one in found if hasattr(one, "blob_id")), None)

    def page(self, folder: str, after: str, most: int) -> list[Stored]:
        """See `Store`."""
        with self._worded():
            try:
                found = list(self._api.list_repo_tree(path_in_repo=self.address.key(folder), **self._where))
            except self._hub.errors.EntryNotFoundError:
                return []
        stored = sorted((self._stored(one) for one in found if hasattr(one, "blob_id")), key=lambda one: one.path)
        return [one for one in stored if one.path > after][:most]

    def read(self, path: str, most: int | None = None) -> bytes | None:
        """See `Store`."""
        with tempfile.TemporaryDirectory(prefix="lfsgan-") as folder:
            to = Path(folder) / "file"
            try:
                self.fetch(path, to)
            except FileNotFoundError:
                return None
            return to.read_bytes()[:most]

    def fetch(self, path: str, to: Path) -> None:
        """See `Store`. The library's own cache is not filled."""
        with self._worded(), tempfile.TemporaryDirectory(prefix=".", dir=to.parent) as folder:
            try:
                found = self._api.hf_hub_download(filename=self.address.key(path), local_dir=folder, **self._where)
            except self._hub.errors.EntryNotFoundError as error:
                raise FileNotFoundError(path) from error
            Path(found).replace(to)

    def create(self, *, private: bool) -> None:
        """Make the repository, where there is none yet."""
        if self.exists():
            return
        with self._worded():
            self._api.create_repo(self.address.place, private=private, exist_ok=True)

    def publish(self, path: str, data: bytes, describe: Describe, *, new: bool) -> None:
        """See `Store`. All files are in one commit."""
        hashes = _possible_etags(data)
        for attempt in range(_TRIES):
            with self._worded():
                head = self._api.repo_info(**self._where).sha
            if new and self.stat(path) is not None:
                raise ExistsError(self.address, path)
            files = {path: data, **describe(hashes)}
            operations = [self._hub.CommitOperationAdd(self.address.key(one), files[one]) for one in files]
            try:
                with self._worded():
                    self._api.create_commit(
                        operations=operations, commit_message=f"lfsgan: {path}", parent_commit=head, **self._where
                    )
            except FileExistsError:  # another commit came in between: what was looked at may be different now
                time.sleep(random.uniform(0, 0.1 * min(attempt + 1, 10)))  # noqa: S311 - no secret
            else:
                return
        raise RemoteError(self.address, f"others changed it {_TRIES} times during this push", "push again")

    def _stored(self, found: Any) -> Stored:
        path = found.path.removeprefix(self.address.key("")) if self.address.folder else found.path
        return Stored(path, found.lfs.sha256 if found.lfs else found.blob_id, found.size)

    @cached_property
    def _unreachable(self) -> tuple[type[Exception], ...]:
        """What is raised without an answer of the Hub."""
        base: type[Exception] = next(
            one for one in self._hub.errors.HfHubHTTPError.__mro__ if one.__name__ == "HTTPError"
        )
        return (base, self._hub.errors.OfflineModeIsEnabled, ConnectionError, TimeoutError)

    @contextlib.contextmanager
    def _worded(self) -> Iterator[None]:
        errors = self._hub.errors
        try:
            yield
        except (LfsganError, errors.RemoteEntryNotFoundError):
            raise
        except errors.HFValidationError as error:
            raise AddressError(str(self.address)) from error
        except errors.GatedRepoError as error:
            way = f"ask for access on its page, then {_LOGIN_WAY}"
            raise RemoteError(self.address, "this repository is gated", way) from error
        except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
            way = f"correct the address, or, where it is private, {_LOGIN_WAY}"
            raise RemoteError(self.address, "there is no such repository or revision", way) from error
        except errors.LocalTokenNotFoundError as error:
            raise RemoteError(self.address, "writing needs an access token", _LOGIN_WAY) from error
        except errors.HfHubHTTPError as error:
            raise self._answered(error) from error
        except (*self._unreachable, errors.LocalEntryNotFoundError) as error:
            way = "check the network, and HF_ENDPOINT and HF_HUB_OFFLINE"
            raise RemoteError(self.address, f"the Hub cannot be reached ({error})", way) from error

    def _answered(self, error: Any) -> Exception:
        status = error.response.status_code if error.response is not None else 0
        if status in {409, 412}:
            return FileExistsError(str(error))
        if status in {401, 403}:
            return RemoteError(self.address, f"the Hub refuses this access token ({status})", _LOGIN_WAY)
        return RemoteError(self.address, f"the Hub answers {status}: {str(error)[:200]}", "try again later")


def _possible_etags(data: bytes) -> list[str]:
    """What the Hub calls content: its SHA-256 where it is stored in LFS or Xet, Git's name of it where it is not."""
    import hashlib

    git = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False)
    return [hashlib.sha256(data).hexdigest(), git.hexdigest()]
