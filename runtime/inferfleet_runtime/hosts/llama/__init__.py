"""llama.cpp: its process, its slots and the beginnings of prompts that they share, and whether it proposes tokens."""
