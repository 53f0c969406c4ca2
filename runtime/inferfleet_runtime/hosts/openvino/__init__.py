"""OpenVINO GenAI: a process that steps, and answers in the words of llama.cpp's server."""
