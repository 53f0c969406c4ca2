"""Whisper: loaded, described and run. For the engine's process: imports PyTorch. Reads the folder."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
import transformers
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from inferfleet_runtime.api.sound import RATE
from inferfleet_runtime.api.speech import Hearing, Listener, Segment, Transcript
from inferfleet_runtime.engines.pytorch import TorchSettings, precision
from inferfleet_runtime.hosts.media.weights import UnfitError, stored_type
from inferfleet_runtime.hosts.media.worker import RefusedError
from inferfleet_runtime.hosts.speech import windows
from inferfleet_runtime.hosts.speech.decode import Task, Written, rules, write
from inferfleet_runtime.hosts.speech.messages import Said

_FIRST_OF_ALL_LANGUAGES = 51_865
"""Size of the vocabulary from which on a model that does not say it knows more than English (OpenAI's own rule)."""
_ENGLISH = "en"
_FRAMES_PER_SECOND = 100
_SEED = 0
"""Of every request: what is sampled is the same each time."""


@dataclass(frozen=True)
class _Window:
    """A part of the sound, encoded."""

    at: float
    """Its beginning, in seconds."""
    seconds: float
    encoded: Any
    no_speech: float
    language: str


class Whisper:
    """One loaded model. For one thread."""

    def __init__(self, settings: TorchSettings) -> None:
        """Load it. Raises UnfitError, OSError and ValueError."""
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        torch.set_num_threads(settings.threads)
        folder = Path(settings.folder)
        _check(folder)
        dtype = getattr(torch, precision(stored_type(_weights(folder), folder), settings.device))
        self._model: Any = transformers.WhisperForConditionalGeneration.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True
        ).to(settings.device)
        self._model.eval()
        processor = transformers.WhisperProcessor.from_pretrained(folder, local_files_only=True)
        self._tokenizer, self._features = processor.tokenizer, processor.feature_extractor
        self._vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        self._config: Any = self._model.generation_config
        self._config.no_timestamps_token_id = self._id("<|notimestamps|>")
        self._before, self._no_speech = self._id("<|startofprev|>"), self._id("<|nospeech|>", "<|nocaptions|>")
        self.facts = self._describe()
        self._task_tokens = (self._id("<|transcribe|>"),) if self.facts.chooses else ()

    def _id(self, *names: str) -> int:
        """Of the first of these tokens that the vocabulary has. Raises UnfitError where it has none."""
        for name in names:
            if name in self._vocabulary:
                return self._vocabulary[name]
        raise UnfitError(f"the tokenizer has no token {names[0]}: this is no vocabulary of Whisper")

    def _describe(self) -> Listener:
        config = self._model.config
        many = getattr(self._config, "is_multilingual", None)
        if many is None:
            many = config.vocab_size >= _FIRST_OF_ALL_LANGUAGES
        known = {code: name for code, name in LANGUAGES.items() if f"<|{code}|>" in self._vocabulary}
        if many and not known:
            raise UnfitError("the tokenizer has no token of a language, and the model is said to know several")
        return Listener(
            known if many else {_ENGLISH: LANGUAGES[_ENGLISH]},
            chooses=bool(many),
            window_seconds=self._features.n_samples / RATE,
            positions=config.max_source_positions,
        )

    def make(self, said: Said, step: Callable[[int], bool]) -> Transcript:
        """Write down what was said; `step` hears of each token and says whether to go on. Raises Refused- and
        CancelledError.
        """
        hearing, sound = said.hearing, numpy.frombuffer(said.sound, "<i2").astype(numpy.float32) / 2**15
        before = self._prompt(hearing.prompt)
        marks = hearing.exact_tokens is None and (hearing.timestamps or len(sound) > self._features.n_samples)
        go_on, chance = _counting(step), torch.Generator(self._model.device).manual_seed(_SEED)
        at, language, segments = 0, hearing.language, []
        while at < len(sound):
            with torch.inference_mode():
                window = self._hear(sound[at : at + self._features.n_samples], at / RATE, language)
                found, seconds = self._write(window, hearing, before, marks, (chance, go_on))
            segments += found
            # what came before is told of the first window alone: a mistake would go on for ever
            language, before = window.language, ()
            at += max(1, round(seconds * RATE))
        return Transcript(language or _ENGLISH, tuple(segments))

    def _prompt(self, text: str) -> tuple[int, ...]:
        """Before everything else. Text of a prompt is never a special token."""
        if not text:
            return ()
        tokens = self._tokenizer(" " + text.strip(), add_special_tokens=False, split_special_tokens=True).input_ids
        most = self._model.config.max_target_positions // 2 - 1
        if len(tokens) > most:
            message = f"the prompt has {len(tokens)} tokens, but this model reads {most}"
            raise RefusedError(message, "context_length_exceeded")
        return (self._before, *tokens)

    def _hear(self, samples: Any, at: float, language: str | None) -> _Window:
        """Encode it, and see in the first token whether somebody speaks and in what language."""
        model = self._model
        features = self._features(samples, sampling_rate=RATE, return_tensors="pt").input_features
        encoded = model.model.encoder(features.to(model.device, model.dtype))
        first = torch.tensor([[self._config.decoder_start_token_id]], device=model.device)
        logits = model(encoder_outputs=encoded, decoder_input_ids=first).logits[0, -1].float()
        no_speech = float(logits.softmax(-1)[self._no_speech])
        if not self.facts.chooses:
            language = _ENGLISH
        elif language is None:
            codes = list(self.facts.languages)
            language = codes[int(logits[[self._id(f"<|{code}|>") for code in codes]].argmax())]
        return _Window(at, len(samples) / RATE, encoded, no_speech, language)

    def _write(
        self, window: _Window, hearing: Hearing, before: tuple[int, ...], marks: bool, ways: tuple[Any, Any]
    ) -> tuple[list[Segment], float]:
        """The segments of a window and the seconds after which the next begins."""
        task = self._task(window, hearing, before, marks)
        temperatures = windows.TEMPERATURES if hearing.temperature is None else (hearing.temperature,)
        if hearing.exact_tokens is not None:
            temperatures = (0.0,)
        for temperature in temperatures:
            written = write(self._model, window.encoded, task, temperature, *ways)
            if windows.good(self._text(written.tokens), written.avg_logprob, window.no_speech):
                break
        if windows.silent(window.no_speech, written.avg_logprob):
            return [], window.seconds
        parts, advance = windows.parts(written.tokens, self._config.no_timestamps_token_id + 1, window.seconds)
        found = [self._segment(part, window, written, temperature) for part in parts]
        return [segment for segment in found if segment.text.strip()], advance

    def _task(self, window: _Window, hearing: Hearing, before: tuple[int, ...], marks: bool) -> Task:
        prompt = [*before, self._config.decoder_start_token_id]
        if self.facts.chooses:
            prompt += [self._id(f"<|{window.language}|>"), *self._task_tokens]
        if not marks:
            prompt.append(self._config.no_timestamps_token_id)
        longest, size = self._model.config.max_target_positions, self._model.config.vocab_size
        endless = hearing.exact_tokens is not None
        return Task(
            prompt,
            rules(self._config, len(prompt), size, marks=marks, endless=endless),
            min(hearing.exact_tokens or longest // 2, longest - len(prompt)),
            self._config.eos_token_id,
        )

    def _text(self, tokens: tuple[int, ...]) -> str:
        return str(self._tokenizer.decode([t for t in tokens if t < self._config.eos_token_id]))

    def _segment(self, part: windows.Part, window: _Window, written: Written, temperature: float) -> Segment:
        return Segment(
            start=round(window.at + part.start, 2),
            end=round(window.at + part.end, 2),
            text=self._text(part.tokens),
            tokens=part.tokens,
            seek=round(window.at * _FRAMES_PER_SECOND),
            temperature=temperature,
            avg_logprob=written.avg_logprob,
            no_speech_prob=window.no_speech,
        )


def _weights(folder: Path) -> list[Path]:
    """What transformers loads; others beside it are the same weights in another type."""
    whole = folder / "model.safetensors"
    return [whole] if whole.is_file() else sorted(folder.glob("model-*.safetensors"))


def _counting(step: Callable[[int], bool]) -> Callable[[], bool]:
    count = 0

    def another() -> bool:
        nonlocal count
        count += 1
        return step(count)

    return another


def _check(folder: Path) -> None:
    file = folder / "config.json"
    if not file.is_file():
        raise UnfitError(f"{file}: there is no such file; a model of transformers is a folder with one")
    kind = json.loads(file.read_text(encoding="utf-8")).get("model_type")
    if kind != "whisper":
        raise UnfitError(f"{file}: model_type {kind} cannot be served: whisper can")
