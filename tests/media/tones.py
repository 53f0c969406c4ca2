"""Sound that has but one tone, and files of it. Numpy and the standard library alone."""

import io
import wave

import numpy

RATE = 16_000
LOW, HIGH = 440.0, 880.0


def tone(hertz, seconds, rate=RATE, phase=0.0, loud=0.3):
    """Samples between -1 and 1."""
    return loud * numpy.sin(2 * numpy.pi * hertz * numpy.arange(round(seconds * rate)) / rate + phase)


def wav(samples, rate=RATE, channels=1):
    """A WAV file of 16 bits, named as OpenAI's client wants it; every channel the same."""
    file = io.BytesIO()
    numbers = numpy.repeat((samples * 32767).astype("<i2"), channels)
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(numbers.tobytes())
    return "tone.wav", file.getvalue()
