"""Whether openvino-genai can compile a JSON schema. Writes one small file, and runs a model that says nothing.

It compiles a schema in the step that would generate the first token. If that fails, no later step works, and every
request of the pod is lost. So each schema is tried first on a model of one layer that nobody else uses.
"""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from inferfleet_runtime.hosts.openvino.jobs import RefusedError

_WIDTH = 32
_END = "<|end|>"
_REMEMBERED = 64


class Schemas:
    """Knows which schemas can be compiled. `library` is the module openvino_genai."""

    def __init__(self, library: Any, folder: Path) -> None:
        """The model is written to `folder` and loaded with the first schema."""
        self._library, self._file = library, folder / "schemas.gguf"
        self._pipeline: Any = None
        self._good: dict[str, None] = {}

    def check(self, schema: str) -> None:
        """Raises RefusedError with the compiler's own words."""
        if schema in self._good:
            return
        try:
            self._try(schema)
        except RuntimeError as error:
            self._pipeline = None  # it never works again
            said = str(error).strip().splitlines()[-1].split(": ", 1)[-1][:200]
            raise RefusedError(400, f"the JSON schema cannot be compiled: {said}") from error
        self._good[schema] = None
        if len(self._good) > _REMEMBERED:
            del self._good[next(iter(self._good))]

    def _try(self, schema: str) -> None:
        if self._pipeline is None:
            self._pipeline = self._load()
        handle = self._pipeline.add_request(0, "a", constrained(self._library, schema, 1))
        while self._pipeline.has_non_finished_requests():
            self._pipeline.step()
        handle.read_all()

    def _load(self) -> Any:
        if not self._file.exists():
            write_silent_model(self._file)
        scheduler = self._library.SchedulerConfig()
        scheduler.num_kv_blocks, scheduler.max_num_seqs = 4, 1
        one = {"INFERENCE_NUM_THREADS": 1}
        return self._library.ContinuousBatchingPipeline(str(self._file), scheduler, "CPU", one, one)


def constrained(library: Any, schema: str, output_tokens: int) -> Any:
    """A generation whose text follows a schema."""
    wanted = library.StructuredOutputConfig()
    wanted.json_schema = schema
    generation = library.GenerationConfig()
    generation.max_new_tokens = output_tokens
    generation.structured_output_config = wanted
    return generation


def write_silent_model(path: Path) -> None:
    """One layer of nothing, and a token for every byte."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(64)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(_WIDTH)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_rope_dimension_count(_WIDTH)
    writer.add_layer_norm_rms_eps(1e-5)
    tokens = [_END, "ab", *_byte_letters()]
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (len(tokens) - 1))
    writer.add_token_merges(["a b"])  # the reader wants one
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_pad_token_id(0)
    for name, tensor in _tensors(len(tokens)):
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensors(vocabulary: int) -> list[tuple[str, NDArray[Any]]]:
    square = np.zeros((_WIDTH, _WIDTH), dtype=np.float16)
    table = np.zeros((vocabulary, _WIDTH), dtype=np.float16)
    norm = np.ones(_WIDTH, dtype=np.float32)
    matrices = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    return [
        ("token_embd.weight", table),
        ("output.weight", table),
        *((f"blk.0.{name}.weight", square) for name in matrices),
        *((f"{name}.weight", norm) for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm")),
    ]


def _byte_letters() -> list[str]:
    """The letter of each byte in a byte-level BPE (GPT-2): itself if it can be printed, else one beyond 255."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printed]
    letters = {byte: chr(byte) for byte in printed} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    return [letters[byte] for byte in range(256)]
