"""Datasets of the Hugging Face hub, brought into a folder: data files only, of one recorded revision, never code.

The hub's two documented addresses are asked directly (``/api/datasets/<id>/revision/<revision>`` and
``/datasets/<id>/resolve/<sha>/<file>``) instead of through its own library: every request, redirects included, then goes
through :mod:`studio.lib.http`, which judges each address, takes no proxy or key from the environment and connects to what
it judged.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import httpx2

from studio.lib.errors import StudioError
from studio.lib.http import ForbiddenAddress, guarded_client, parse_target
from vault.readers.base import ReaderError
from vault.readers.folder import holds_data, split_of

ENDPOINT = "https://huggingface.co"
REPO = re.compile(r"(?:[A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}")
REVISION = re.compile(r"[\w.-]+(?:/[\w.-]+)*")
REDIRECTS = 5
TIMEOUT = 60.0
DESCRIPTION_BYTES = 16 << 20
UNSAID_BYTES = 1 << 30
"""The most of a file whose size the hub does not say."""
OFFLINE = (
    "Check this machine's network, or download the dataset elsewhere and upload its files (Parquet, JSON lines or CSV)."
)


@dataclass(frozen=True)
class HubLimits:
    """How much of a dataset may be fetched: bytes in all, and files."""

    total_bytes: int = 20 << 30
    files: int = 1_000


DEFAULT = HubLimits()


@dataclass(frozen=True)
class HubFile:
    """One data file of a dataset: its name there, its size in bytes, its SHA-256 where the hub says it, its split."""

    name: str
    size: int
    sha256: str
    split: str


@dataclass(frozen=True)
class HubDataset:
    """A dataset at one revision (a commit's full hash): its data files, and the licence that its card names."""

    repo: str
    revision: str
    files: list[HubFile]
    licence: str


def _no_beat() -> None:
    """The default for callers that need not show they are alive."""


def look_up(
    repo: str,
    *,
    revision: str = "main",
    allowed_hosts: Collection[str] = (),
    endpoint: str = ENDPOINT,
) -> HubDataset:
    """What a dataset holds at a branch, tag or commit. ``repo`` is ``name``, ``owner/name`` or its page's address.

    Raises :class:`ReaderError` when the hub can't be reached, knows no such dataset, or it has no data files.
    """
    return asyncio.run(_look_up(_repo(repo), _revision(revision), allowed_hosts, endpoint))


def fetch(
    dataset: HubDataset,
    out: Path,
    *,
    allowed_hosts: Collection[str] = (),
    endpoint: str = ENDPOINT,
    limits: HubLimits = DEFAULT,
    beat: Callable[[], None] = _no_beat,
) -> Path:
    """Download a dataset's files into the folder ``out``, which the readers can then read, and return that folder.

    The folders of the hub are kept as part of the names, so that ``data/train-0.parquet`` becomes ``data_train-0.parquet``.
    Sizes and hashes are checked. ``beat`` is called after every piece. Raises :class:`ReaderError`.
    """
    total = sum(file.size for file in dataset.files)
    if total > limits.total_bytes or len(dataset.files) > limits.files:
        raise ReaderError(
            f"{dataset.repo} has {len(dataset.files):,} data files with {total:,} bytes; the limits are {limits.files:,} files "
            f"and {limits.total_bytes:,} bytes.",
            action="Download the files that you need and upload those.",
        )
    out.mkdir(parents=True, exist_ok=True)
    asyncio.run(_fetch(dataset, out, allowed_hosts, endpoint, beat))
    return out


def check_names(repo: str, revision: str) -> tuple[str, str]:
    """A dataset's id and revision as the hub spells them; raises :class:`ReaderError` for what is neither."""
    return _repo(repo), _revision(revision)


def _repo(text: str) -> str:
    """The dataset's id in what a person typed or pasted."""
    found = re.sub(r"^https?://[^/]+/(?:datasets/)?", "", text.strip()).split("?")[0].split("#")[0].strip("/")
    found = re.sub(r"^datasets/", "", found)
    if not REPO.fullmatch(found) or ".." in found:
        raise ReaderError(f"'{text[:80]}' is no dataset of the hub.", action="Write it like owner/name.")
    return found


def _revision(text: str) -> str:
    found = text.strip() or "main"
    if len(found) > 200 or not REVISION.fullmatch(found) or ".." in found:
        raise ReaderError(f"'{text[:80]}' is no revision.", action="Name a branch, a tag or a commit.")
    return found


async def _look_up(repo: str, revision: str, allowed_hosts: Collection[str], endpoint: str) -> HubDataset:
    url = f"{endpoint}/api/datasets/{repo}/revision/{quote(revision, safe='')}?blobs=true"
    async with guarded_client(allowed_hosts=allowed_hosts, timeout=TIMEOUT) as client:
        response = await _get(client, url, repo)
        try:
            body = b""
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > DESCRIPTION_BYTES:
                    raise ReaderError(
                        f"The description of {repo} is too long to read.", action="Upload its files instead."
                    )
        except httpx2.HTTPError as error:
            raise _unreachable(repo, error) from None
        finally:
            await response.aclose()
    return _described(repo, body)


def _described(repo: str, body: bytes) -> HubDataset:
    try:
        value = json.loads(body)
        sha = str(value["sha"])
        files = [_file(item) for item in value["siblings"] if holds_data(str(item["rfilename"]))]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ReaderError(f"The hub's answer about {repo} makes no sense.", action="Try again later.") from None
    if not re.fullmatch(r"[0-9a-f]{7,64}", sha):
        raise ReaderError(f"The hub names no commit for {repo}.", action="Try again later.")
    if not files:
        raise ReaderError(
            f"{repo} holds no data files: it may be made by a script, and scripts are never run.",
            action="Choose a dataset with Parquet, JSON lines or CSV files (its branch refs/convert/parquet may have them).",
        )
    card = value.get("cardData")
    licence = card.get("license", "") if isinstance(card, dict) else ""
    return HubDataset(repo, sha, sorted(files, key=lambda file: file.name), licence if isinstance(licence, str) else "")


def _file(item: dict[str, Any]) -> HubFile:
    name, lfs = str(item["rfilename"]), item.get("lfs") or {}
    size = item.get("size") or lfs.get("size") or 0
    return HubFile(name, int(size), str(lfs.get("sha256") or ""), split_of(name))


async def _fetch(
    dataset: HubDataset,
    out: Path,
    allowed_hosts: Collection[str],
    endpoint: str,
    beat: Callable[[], None],
) -> None:
    async with guarded_client(allowed_hosts=allowed_hosts, timeout=TIMEOUT) as client:
        for file in dataset.files:
            url = f"{endpoint}/datasets/{dataset.repo}/resolve/{dataset.revision}/{quote(file.name)}"
            target = out / re.sub(r"[^\w.-]+", "_", file.name.replace("/", "_")).lstrip(".")[-150:]
            if target.exists():
                raise ReaderError(
                    f"Two files of {dataset.repo} have one name here: {target.name}.", action="Upload them."
                )
            response = await _get(client, url, dataset.repo)
            try:
                await _save(response, target, file, dataset.repo, beat)
            except httpx2.HTTPError as error:
                raise _unreachable(dataset.repo, error) from None
            finally:
                await response.aclose()


async def _save(response: httpx2.Response, target: Path, file: HubFile, repo: str, beat: Callable[[], None]) -> None:
    """Write one file, and refuse it when it is not as long, or not the very bytes, that the hub said."""
    digest, size, most = hashlib.sha256(), 0, file.size or UNSAID_BYTES
    partial = target.with_name(target.name + ".part")
    with partial.open("xb") as sink:
        async for piece in response.aiter_bytes():
            size += len(piece)
            if size > most:
                break
            digest.update(piece)
            sink.write(piece)
            beat()
    if size > most or (file.size and size != file.size) or (file.sha256 and digest.hexdigest() != file.sha256):
        partial.unlink()
        raise ReaderError(
            f"{file.name} of {repo} did not arrive as the hub describes it ({size:,} of {file.size:,} bytes).",
            action="Try again.",
        )
    shutil.move(partial, target)


async def _get(client: httpx2.AsyncClient, url: str, repo: str) -> httpx2.Response:
    """An answer to read from; redirects are followed one by one, each judged like the first address."""
    home = parse_target(url)
    for _ in range(REDIRECTS):
        try:
            response = await client.send(client.build_request("GET", url), stream=True)
        except ForbiddenAddress:
            raise
        except (httpx2.HTTPError, OSError) as error:
            raise _unreachable(repo, error) from None
        if response.status_code == 200:
            return response
        await response.aclose()
        if not response.is_redirect:
            raise _refused(repo, response.status_code)
        there = urljoin(url, response.headers.get("location", ""))
        if parse_target(there).scheme != home.scheme:
            raise ReaderError(f"The hub sends {repo} over an address that is not https.", action="Try again later.")
        url = there
    raise ReaderError(f"The hub sends {repo} from one address to the next without end.", action="Try again later.")


def _refused(repo: str, status: int) -> StudioError:
    if status in (401, 403):
        return ReaderError(
            f"The hub does not show {repo}: there is none of this name, or it is private or gated.",
            action="Check the name, or accept its terms on the hub, download it with your account and upload the files.",
        )
    if status == 404:
        return ReaderError(f"The hub knows no dataset {repo} at this revision.", action="Check its name and revision.")
    return ReaderError(f"The hub answered {status} for {repo}.", action="Try again later.")


def _unreachable(repo: str, error: Exception) -> StudioError:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return ReaderError(f"The hub can't be reached for {repo}: {reason.rstrip('.')}.", action=OFFLINE)
