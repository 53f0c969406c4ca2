"""The mixtures that names such as Q4_K_M stand for, as facts. Pure.

Most matrices of a mixture are in one block type, those that decide most about quality in larger ones. The facts are
those of `llama-quant.cpp` in llama.cpp b11549, but for two things: Q4_0 has a head in Q8_0 (as this runtime has always
written it; llama.cpp takes Q6_K) and no exceptions for experts; and what llama.cpp does for single architectures
(Falcon, GLM 5, 80 layers) is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from gguf import GGMLQuantizationType as GgmlType
from gguf import LlamaFileType as FileType

When = Literal["always", "first eighth", "first sixteenth", "first two", "first four", "sensitive", "grouped"]
"""Of a layer: which. Sensitive: the first and the last eighth of the layers, and every third one between. Grouped: four
or more heads share their keys and values, so that the value matrix is small and worth more bits."""

Rules = tuple[tuple[GgmlType, When], ...]
"""The first that holds decides; where none does, the base type stays."""


@dataclass(frozen=True)
class Recipe:
    """One mixture."""

    file_type: FileType
    """What `general.file_type` says of the file."""
    base: GgmlType
    head: GgmlType = GgmlType.Q6_K
    """Of the output matrix, and of an embedding that serves as one."""
    embedding: GgmlType | None = None
    """Of any other embedding; None: the base type."""
    values: Rules = ()
    """Of value projections, and of matrices that hold queries, keys and values."""
    queries_keys: Rules = ()
    output: Rules = ()
    """Of the projection behind the attention."""
    down: Rules = ()
    """Of the feed-forward network's last projection."""
    of_eight_experts: tuple[tuple[str, GgmlType], ...] = ()
    """Of `values`, `keys` or `output`: goes before the rules where eight experts make these a small part of it."""

    @property
    def needs_importance(self) -> bool:
        """Whether llama.cpp refuses it without measured activations, since the result would be noise."""
        rules = (*self.values, *self.queries_keys, *self.output, *self.down)
        return not {self.base, *(type_ for type_, _ in rules)}.isdisjoint(NEED_IMPORTANCE)


_G = GgmlType
NEED_IMPORTANCE = frozenset({_G.IQ3_XXS, _G.IQ2_XXS, _G.IQ2_XS, _G.IQ2_S, _G.IQ1_S, _G.IQ1_M})
"""Block types of so few values that their errors must be put where they matter least."""
_EXPERTS = (("values", _G.Q8_0), ("keys", _G.Q8_0))
_EXPERTS_LOW = (*_EXPERTS, ("output", _G.Q5_K))
_EXPERTS_LOWEST = (("values", _G.Q4_K), ("keys", _G.Q4_K), ("output", _G.Q5_K))


def _plain(file_type: FileType, base: GgmlType) -> Recipe:
    return Recipe(file_type, base, of_eight_experts=_EXPERTS)


def _mostly_k(file_type: FileType, base: GgmlType, experts: tuple[tuple[str, GgmlType], ...]) -> Recipe:
    larger: Rules = ((_G.Q6_K, "sensitive"),)
    return Recipe(file_type, base, values=larger, down=larger, of_eight_experts=experts)


def _nonlinear(file_type: FileType, base: GgmlType) -> Recipe:
    return Recipe(
        file_type,
        base,
        values=((_G.Q5_K, "grouped"),),
        # with an importance matrix llama.cpp leaves these in the base type, too
        down=((_G.Q5_K, "first eighth"),),
        of_eight_experts=_EXPERTS_LOW,
    )


def _ternary(file_type: FileType, base: GgmlType) -> Recipe:
    return Recipe(file_type, base, embedding=_G.Q4_K, of_eight_experts=_EXPERTS)


def _below_three(file_type: FileType, base: GgmlType, small: GgmlType, output: Rules = ()) -> Recipe:
    return Recipe(
        file_type,
        base,
        head=_G.Q5_K,
        embedding=small,
        values=((_G.Q4_K, "grouped"), (small, "always")),
        output=output,
        down=((small, "first eighth"),),
        of_eight_experts=_EXPERTS_LOWEST,
    )


_F = FileType
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "Q8_0": Recipe(_F.MOSTLY_Q8_0, _G.Q8_0, head=_G.Q8_0),
        "Q6_K": _plain(_F.MOSTLY_Q6_K, _G.Q6_K),
        "Q5_K_M": _mostly_k(_F.MOSTLY_Q5_K_M, _G.Q5_K, _EXPERTS),
        "Q5_K_S": _plain(_F.MOSTLY_Q5_K_S, _G.Q5_K),
        "Q5_1": _plain(_F.MOSTLY_Q5_1, _G.Q5_1),
        "Q5_0": _plain(_F.MOSTLY_Q5_0, _G.Q5_0),
        "Q4_K_M": _mostly_k(_F.MOSTLY_Q4_K_M, _G.Q4_K, _EXPERTS_LOW),
        "Q4_K_S": Recipe(
            _F.MOSTLY_Q4_K_S,
            _G.Q4_K,
            values=((_G.Q5_K, "first four"),),
            down=((_G.Q5_K, "first eighth"),),
            of_eight_experts=_EXPERTS_LOW,
        ),
        "Q4_1": _plain(_F.MOSTLY_Q4_1, _G.Q4_1),
        "Q4_0": Recipe(_F.MOSTLY_Q4_0, _G.Q4_0, head=_G.Q8_0),
        "IQ4_NL": _nonlinear(_F.MOSTLY_IQ4_NL, _G.IQ4_NL),
        "IQ4_XS": _nonlinear(_F.MOSTLY_IQ4_XS, _G.IQ4_XS),
        "Q3_K_L": Recipe(
            _F.MOSTLY_Q3_K_L,
            _G.Q3_K,
            values=((_G.Q5_K, "always"),),
            output=((_G.Q5_K, "always"),),
            down=((_G.Q5_K, "always"),),
            of_eight_experts=_EXPERTS,
        ),
        "Q3_K_M": Recipe(
            _F.MOSTLY_Q3_K_M,
            _G.Q3_K,
            values=((_G.Q5_K, "first two"), (_G.Q4_K, "always")),
            output=((_G.Q4_K, "always"),),
            down=((_G.Q5_K, "first sixteenth"), (_G.Q4_K, "always")),
            of_eight_experts=_EXPERTS_LOW,
        ),
        "Q3_K_S": Recipe(_F.MOSTLY_Q3_K_S, _G.Q3_K, of_eight_experts=_EXPERTS_LOW),
        "IQ3_M": Recipe(
            _F.MOSTLY_IQ3_M,
            _G.IQ3_S,
            values=((_G.Q4_K, "always"),),
            output=((_G.Q4_K, "always"),),
            down=((_G.Q4_K, "first eighth"),),
            of_eight_experts=_EXPERTS_LOW,
        ),
        "IQ3_S": Recipe(_F.MOSTLY_IQ3_S, _G.IQ3_S, values=((_G.Q4_K, "grouped"),), of_eight_experts=_EXPERTS_LOW),
        "IQ3_XXS": Recipe(
            _F.MOSTLY_IQ3_XXS,
            _G.IQ3_XXS,
            head=_G.Q5_K,
            embedding=_G.IQ3_S,
            values=((_G.Q4_K, "grouped"),),
            queries_keys=((_G.IQ2_S, "always"),),
            output=((_G.IQ3_S, "always"),),
            of_eight_experts=_EXPERTS_LOW,
        ),
        "Q2_K": Recipe(
            _F.MOSTLY_Q2_K,
            _G.Q2_K,
            values=((_G.Q4_K, "grouped"), (_G.Q3_K, "always")),
            output=((_G.Q3_K, "always"),),
            down=((_G.Q3_K, "always"),),
            of_eight_experts=_EXPERTS_LOW,
        ),
        "IQ2_M": _below_three(_F.MOSTLY_IQ2_M, _G.IQ2_S, _G.IQ3_S, output=((_G.IQ3_S, "always"),)),
        "IQ2_XS": _below_three(_F.MOSTLY_IQ2_XS, _G.IQ2_XS, _G.Q2_K),
        "IQ2_XXS": _below_three(_F.MOSTLY_IQ2_XXS, _G.IQ2_XXS, _G.Q2_K),
        "IQ1_M": _below_three(_F.MOSTLY_IQ1_M, _G.IQ1_M, _G.Q2_K, output=((_G.IQ2_XXS, "always"),)),
        "IQ1_S": _below_three(_F.MOSTLY_IQ1_S, _G.IQ1_S, _G.Q2_K, output=((_G.IQ2_XXS, "always"),)),
        "TQ2_0": _ternary(_F.MOSTLY_TQ2_0, _G.TQ2_0),
        "TQ1_0": _ternary(_F.MOSTLY_TQ1_0, _G.TQ1_0),
    }
)
"""By the name that the catalog and `RuntimeConfig.quantize` use, larger files first."""
