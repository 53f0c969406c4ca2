"""Stories told on a real cluster: a user acts with kubectl and looks. One file per subject; no story needs another."""
