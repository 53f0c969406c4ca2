"""The small model that the project trains itself, on Python's own library and documentation.

Here live what makes it (`corpus`, `bpe`, `network`, `train`, `export`), what judges it (`judge`) and
what came of it (`stdlib.gguf`, `stdlib-draft.gguf`, `CARD.md`). Nothing that serves imports torch: only
`network`, `train` and `export` do, from the `train` extra.
"""
