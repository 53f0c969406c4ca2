"""One-node Kubernetes clusters for the end-to-end stories: made, filled with images and removed. Writes.

`python -m e2e.cluster --help` is the way in; README.md of this folder says what a cluster is made of.
Holds nothing of the product, and the product may not import it.
"""
