"""Whether the files that the engine serves are those that were fetched and verified. Reads notes."""

from pathlib import Path

from inferfleet_runtime.config import Paths
from inferfleet_runtime.contract import MODEL_DIR, RuntimeConfig
from inferfleet_runtime.engines.vendors.vendor import VendorEngine, names_of
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.files import read_note
from inferfleet_runtime.sidecar.client import Model
from inferfleet_runtime.weights.notes import refuse_unverified, wanted


def refuse_unfetched(config: RuntimeConfig, paths: Paths) -> None:
    """Raise CommandError unless the note beside every artifact says that it is what the configuration asks for."""
    for item in wanted(config, paths):
        if not item.target.exists():
            raise CommandError(f"{item.target}: is not there; run `inferfleet-runtime fetch` first")
        note = read_note(item.note) or {}
        asked = {"uri": item.source.uri, "revision": item.source.revision, "sha256": item.source.sha256}
        if {name: note.get(name) for name in asked} != asked:
            said = note.get("uri", "nothing")
            raise CommandError(f"{item.target}: was fetched from {said}, not from {item.source.uri}")
    refuse_unverified(config, paths)


def wrong_model(config: RuntimeConfig, engine: VendorEngine, models: list[Model], root: Path = Path("/")) -> str:
    """What is wrong with the models that the engine lists; empty where nothing is. Pure."""
    if not engine.named:
        return ""
    listed = ", ".join(m.id for m in models)
    found = next((m for m in models if m.id in names_of(config)), None)
    if found is None:
        return f"the engine serves {listed}, not {config.served_model_name}"
    folder = str(root / MODEL_DIR.relative_to("/"))
    # some say a repository's name or nothing: only a path tells where the weights are from
    if found.root and found.root.startswith("/") and found.root.rstrip("/") not in (folder, str(MODEL_DIR)):
        return f"the engine serves {found.id} from {found.root}, not from {folder}"
    return ""


def served_name(config: RuntimeConfig, models: list[Model]) -> str:
    """The name to ask the engine by: of the model's names the one that it lists. Pure."""
    listed = {m.id for m in models}
    return next((name for name in names_of(config) if name in listed), config.served_model_name)
