"""The small model that the project trains itself, on Python's own library and documentation.

Here live what makes it (`corpus`, `bpe`, `batches`, `network`, `train`, `export`), what judges it (`heldout`,
`reference`, `judge`) and what came of it: two GGUF files, told of in `README.md`. Only `network`, `train` and
`export` import torch, from the `train` extra.
"""

from pathlib import Path

MODEL = Path(__file__).with_name("stdlib.gguf")
DRAFT = Path(__file__).with_name("stdlib-draft.gguf")
"""Two layers, the same tokens: to propose what MODEL then confirms."""
