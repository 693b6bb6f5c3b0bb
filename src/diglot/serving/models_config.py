"""``models.config``, the list of models that TF Serving reads with ``--model_config_file``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from diglot import files
from diglot.endpoints import layout

log = logging.getLogger(__name__)


def update(folder: Path) -> None:
    """Add the models of a folder to its ``models.config``, and remove those that are gone.

    An entry is removed only if its ``base_path`` is ``/models/<name>``, as diglot writes it, and
    the folder holds no such model. All other entries stay as they are: an operator may have added a
    model from elsewhere, or a policy of versions. One process at a time updates the file.

    Args:
        folder: the folder of all models; a server sees it as ``/models``.
    """
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    path = folder / layout.MODELS
    with files.locked(folder):
        server = model_server_config_pb2.ModelServerConfig()
        try:
            if path.is_file():
                text_format.Parse(path.read_text("utf-8"), server)
        except (text_format.ParseError, UnicodeDecodeError) as error:
            log.warning(
                "%s stays as it is, because it cannot be read: %s. Correct it, and add the new"
                " model by hand",
                path,
                error,
            )
            return
        models = {entry.name for entry in folder.iterdir() if layout.versions(entry)}
        listed = [entry for entry in server.model_config_list.config if _stays(entry, models)]
        added = [
            model_server_config_pb2.ModelConfig(
                name=name, base_path=f"/models/{name}", model_platform="tensorflow"
            )
            for name in models - {entry.name for entry in listed}
        ]
        if not added and len(listed) == len(server.model_config_list.config):
            return
        del server.model_config_list.config[:]
        server.model_config_list.config.extend(
            sorted(listed + added, key=lambda entry: str(entry.name))
        )
        with files.replacing_file(path) as written:
            written.write_text(text_format.MessageToString(server), "utf-8")


def _stays(entry: Any, models: set[str]) -> bool:
    return entry.name in models or entry.base_path.rstrip("/") != f"/models/{entry.name}"
