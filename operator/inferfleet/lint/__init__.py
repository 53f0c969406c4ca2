"""What the API server and the operator would say about YAML files, without either.

Pure, except `files.py`, which reads. Nothing here is about one kind: `structural`, `strict`, `lists`, `metadata`
and `cel` walk the generated CustomResourceDefinitions; only `advice` knows what a Model is.
"""
