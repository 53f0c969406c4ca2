"""What quantization and speculation cost and gain, measured on held-out text: quality, agreement, speed, acceptance.

Nothing here serves, and nothing that serves imports it.
"""
