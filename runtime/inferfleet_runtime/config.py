"""The configuration of a command and the files it works on. Reads the one file; all else is pure."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from inferfleet_runtime import contract
from inferfleet_runtime.engines import ENGINES
from inferfleet_runtime.engines.vendors.render import VENDORS
from inferfleet_runtime.errors import ConfigError


@dataclass(frozen=True)
class Paths:
    """The contract's paths below a root, so that everything runs without being root."""

    root: Path = Path("/")

    def at(self, path: PurePosixPath) -> Path:
        """Where an absolute path of the contract lies."""
        return self.root / path.relative_to("/")

    @property
    def weights(self) -> Path:
        """Folder of the model files; writable."""
        return self.at(contract.WEIGHTS_DIR)

    @property
    def fetched(self) -> Path:
        """What `fetch` leaves."""
        return self.weights / "model.gguf"

    @property
    def image(self) -> Path:
        """Where an `oci://` source is mounted."""
        return self.at(contract.IMAGE_VOLUME_DIR)


def load(path: Path) -> contract.RuntimeConfig:
    """The configuration in `path`. Raises ConfigError with one line that names file and field."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}; name the file with --config") from error
    try:
        config = contract.RuntimeConfig.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_problems(error)}") from error
    if problem := _contradiction(config):
        raise ConfigError(f"{path}: {problem}")
    return config


def _contradiction(config: contract.RuntimeConfig) -> str:
    for name in (config.engine, *(config.may_use or ())):
        if name not in ENGINES and name not in VENDORS:
            return f"engine: there is no {name}; there are {', '.join(sorted({*ENGINES, *VENDORS}))}"
    profile = ENGINES.get(config.engine)
    made = profile.quantizes_to if profile else frozenset()
    if config.quantize and config.quantize.type not in made:
        return f"quantize.type: {config.quantize.type} cannot be made; {', '.join(sorted(made))} can"
    load = config.benchmark.prompt_tokens + config.benchmark.output_tokens
    if load > config.context_tokens:
        return f"benchmark: promptTokens plus outputTokens are {load}, more than contextTokens {config.context_tokens}"
    return ""


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg'][0].lower()}{e['msg'][1:]}"
        for e in error.errors(include_url=False)
    )
