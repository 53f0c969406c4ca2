"""Which type each tensor of a quantized file has. Pure.

The rules are llama.cpp's (`llama-quant.cpp`, b11549), applied to the facts of `recipes`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as GgmlType

from inferfleet_runtime.weights.quantizing.recipes import Recipe, Rules, When

BLOCK = 32
"""Weights in the smallest block of a quantized type."""
_KEPT = (
    # small, or read row by row: not worth the loss
    "_norm.weight",
    "ffn_gate_inp.weight",
    "ffn_gate_tid2eid.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "position_embd",
    "token_types.weight",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "indexer.",
    "time_mix_",
    "attn_rel_b.weight",
    "pos_embd",
    "sam.ne",
    ".rel_pos",
    ".patch_",
    "a.rvq.codebook",
    "mm.a.code_embd",
)
_FALLBACKS: Mapping[GgmlType, GgmlType] = MappingProxyType(
    {
        **{t: GgmlType.IQ4_NL for t in GgmlType if t.name.startswith(("IQ1", "IQ2", "IQ3")) or t.name == "IQ4_XS"},
        GgmlType.Q2_K: GgmlType.Q4_0,
        GgmlType.Q3_K: GgmlType.Q4_0,
        GgmlType.TQ1_0: GgmlType.Q4_0,
        GgmlType.TQ2_0: GgmlType.Q4_0,
        GgmlType.Q4_K: GgmlType.Q5_0,
        GgmlType.Q5_K: GgmlType.Q5_1,
        GgmlType.Q6_K: GgmlType.Q8_0,
    }
)
"""For rows that blocks of 256 do not fill: blocks of 32, and rather more bits than fewer."""
_LAYER = re.compile(r"^blk\.(\d+)\.")
_Role = Literal["head", "embedding", "values", "keys", "queries", "output", "down", "other"]


@dataclass(frozen=True)
class Shape:
    """What decides about a tensor."""

    name: str
    shape: tuple[int, ...]
    """numpy's order: the row length last."""
    held: GgmlType

    @property
    def layer(self) -> int:
        """The block of the network that it belongs to; 0 outside of blocks."""
        found = _LAYER.match(self.name)
        return int(found[1]) if found else 0


@dataclass(frozen=True)
class Facts:
    """What decides about all tensors of a model."""

    layers: int
    value_layers: tuple[int, ...]
    """Those with a value projection, ascending; fewer than all in models that mix attention with something else."""
    grouped: bool = False
    """Whether four or more heads share their keys and values."""
    experts: int = 0
    tied: bool = False
    """Whether the embedding serves as the head."""


def target_type(tensor: Shape, recipe: Recipe, facts: Facts) -> GgmlType:
    """The type of a tensor in the result.

    Vectors (norms, biases) are F32. A matrix, experts' too, has the recipe's type for its part in the network, or one
    of smaller blocks where whole blocks do not fill its rows; what no block fits keeps the type that it has.
    """
    if len(tensor.shape) < 2:
        return GgmlType.F32
    matrix = len(tensor.shape) == 2 or "_exps." in tensor.name
    if not matrix or not tensor.name.endswith("weight") or any(part in tensor.name for part in _KEPT):
        return tensor.held
    return _fitting(tensor, _wanted(tensor, recipe, facts))


def _fitting(tensor: Shape, wanted: GgmlType) -> GgmlType:
    length = tensor.shape[-1]
    if length % BLOCK:
        return tensor.held
    block, _ = GGML_QUANT_SIZES[wanted]
    return wanted if length % block == 0 else _FALLBACKS[wanted]


def _wanted(tensor: Shape, recipe: Recipe, facts: Facts) -> GgmlType:
    role = _role(tensor.name, facts.tied)
    if role == "head":
        block, _ = GGML_QUANT_SIZES[recipe.base]
        return recipe.head if tensor.shape[-1] % block == 0 else GgmlType.Q8_0
    if role == "embedding":
        return recipe.embedding or recipe.base
    of_experts = dict(recipe.of_eight_experts) if facts.experts == 8 else {}
    if role in of_experts:
        return of_experts[role]
    return _by_rules(_rules(role, recipe), _place(tensor, role, facts), facts.grouped) or recipe.base


def _role(name: str, tied: bool) -> _Role:
    if name == "output.weight" or (tied and name == "token_embd.weight"):
        return "head"
    if name in ("token_embd.weight", "per_layer_token_embd.weight"):
        return "embedding"
    if any(part in name for part in ("attn_qkv.weight", "attn_kv_b.weight", "attn_v.weight")):
        return "values"
    roles: Mapping[str, _Role] = {
        "attn_k.weight": "keys",
        "attn_q.weight": "queries",
        "attn_output.weight": "output",
        "ffn_down": "down",
    }
    return next((role for part, role in roles.items() if part in name), "other")


def is_value(name: str) -> bool:
    """Whether a tensor counts as a value projection."""
    return _role(name, tied=False) == "values"


def _rules(role: _Role, recipe: Recipe) -> Rules:
    if role in ("queries", "keys"):
        return recipe.queries_keys
    return {"values": recipe.values, "output": recipe.output, "down": recipe.down}.get(role, ())


def _place(tensor: Shape, role: _Role, facts: Facts) -> tuple[int, int]:
    """Which of how many: of the value projections, or of the layers."""
    if role == "values" and tensor.layer in facts.value_layers:
        return facts.value_layers.index(tensor.layer), len(facts.value_layers)
    return tensor.layer, facts.layers


def _by_rules(rules: Rules, place: tuple[int, int], grouped: bool) -> GgmlType | None:
    return next((type_ for type_, when in rules if _holds(when, *place, grouped)), None)


def _holds(when: When, layer: int, layers: int, grouped: bool) -> bool:
    sensitive = layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2
    return {
        "always": True,
        "first eighth": layer < layers // 8,
        "first sixteenth": layer < layers // 16,
        "first two": layer < 2,
        "first four": layer < 4,
        "sensitive": sensitive,
        "grouped": grouped,
    }[when]
