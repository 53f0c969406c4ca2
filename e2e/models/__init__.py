"""Small GGUF models with random weights, made in a moment wherever a test or the demo needs one."""
