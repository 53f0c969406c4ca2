"""The commands of `inferfleet`: one file each, with `add` (its flags) and a function that does it."""
