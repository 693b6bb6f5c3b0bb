"""Checkpoints from the Hugging Face hub, through huggingface_hub and its cache."""

from __future__ import annotations

from pathlib import Path

from diglot.errors import CheckpointNotFoundError, HubUnreachableError

FILES = ("*.json", "model.safetensors", "model-*.safetensors", "*.txt", "*.model", "*.jinja")
"""The files of a text classifier; pickles and other frameworks' weights are never downloaded."""

_CODE = ("*.py",)
_NESTED = "*/*"


def download(name: str, revision: str | None, *, code: bool) -> Path:
    """Download the files that are not in the cache yet; the folder's name is the commit hash.

    Args:
        name: ``"organisation/name"``, or the name alone.
        revision: a branch, a tag or a commit; ``None`` takes the main branch.
        code: whether to download the checkpoint's Python files too.

    Raises:
        CheckpointNotFoundError: the hub has no such id or revision, or the user may not see it.
        HubUnreachableError: the checkpoint is not in the cache, and the hub does not answer.
    """
    from huggingface_hub import errors as hub
    from huggingface_hub import snapshot_download

    wanted = [*FILES, *(_CODE if code else ())]
    try:
        return Path(
            snapshot_download(
                name, revision=revision, allow_patterns=wanted, ignore_patterns=[_NESTED]
            )
        )
    except hub.HFValidationError as error:
        raise CheckpointNotFoundError(
            f"{name!r} is neither a directory nor a possible hub id: {error}"
        ) from error
    except hub.GatedRepoError as error:
        raise CheckpointNotFoundError(
            f"{name!r} is a gated checkpoint. Accept its terms on its page of the hub, then log in"
            " with: hf auth login"
        ) from error
    except hub.RepositoryNotFoundError as error:
        raise CheckpointNotFoundError(
            f"there is no checkpoint {name!r}: no such directory here ({Path.cwd()}), and no such"
            " id on the hub. Check the spelling; if it is private, log in with: hf auth login"
        ) from error
    except hub.RevisionNotFoundError as error:
        raise CheckpointNotFoundError(
            f"{name!r} has no revision {revision!r}. Give one of its branches, tags or commits, or"
            " none for the main branch."
        ) from error
    except hub.LocalEntryNotFoundError as error:
        raise HubUnreachableError(_unreachable(name, revision, error)) from error
    except Exception as error:
        raise HubUnreachableError(
            f"{name!r} could not be fetched from the hub: {type(error).__name__}: {error}. Try"
            " again, or give a local directory."
        ) from error


def listing(name: str, revision: str) -> list[str] | None:
    """The names of all files of the checkpoint; ``None`` where the hub does not answer."""
    from huggingface_hub import HfApi

    try:
        files = HfApi().model_info(name, revision=revision).siblings
    except Exception:  # the listing only improves another error's message
        return None
    return [file.rfilename for file in files or ()]


def _unreachable(name: str, revision: str | None, error: Exception) -> str:
    from huggingface_hub.errors import OfflineModeIsEnabled

    what = f"{name!r}" + (f" (revision {revision!r})" if revision else "")
    if isinstance(error.__cause__, OfflineModeIsEnabled):
        return (
            f"{what} is not in the local cache, and HF_HUB_OFFLINE forbids asking the hub. Unset"
            " HF_HUB_OFFLINE, or give a local directory."
        )
    return (
        f"{what} is not in the local cache, and the hub cannot be reached"
        f" ({error.__cause__ or error}). Check the connection, or give a local directory."
    )
