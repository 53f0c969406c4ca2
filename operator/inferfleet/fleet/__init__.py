"""The five steps of a reconcile: observe, validate, plan, build, apply, and the status that tells of them.

`observe`, `validate`, `plan`, `build` and `status` are pure; `apply` writes; `reconcile` calls them
in order; `controller` feeds it from informers and runs the scaling loop.
"""
