"""Tiny Whispers, made in seconds: real classes of transformers that hear windows of two seconds."""

from pathlib import Path

import numpy
import torch
from tones import HIGH, LOW, RATE, tone
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)

WINDOW = 2
_MARKS = 1501
_SPECIAL = ("startoftranscript", "en", "de", "translate", "transcribe", "startoflm", "startofprev", "nospeech")
_STEPS = 150
_BATCH = 16


def _letters() -> list[str]:
    """The printable letter of each byte, as GPT-2's tokenizers write them."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in kept]
    return [chr(byte) for byte in kept] + [chr(256 + n) for n in range(len(others))]


def _tokenizer() -> WhisperTokenizer:
    """Of single bytes, and Whisper's own tokens in Whisper's order."""
    tokenizer = WhisperTokenizer(
        vocab={letter: n for n, letter in enumerate([*_letters(), "<|endoftext|>"])}, merges=[]
    )
    special = [f"<|{name}|>" for name in (*_SPECIAL, "notimestamps")]
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    tokenizer.add_tokens([f"<|{mark * 0.02:.2f}|>" for mark in range(_MARKS)])
    return tokenizer


def _model(tokenizer: WhisperTokenizer) -> WhisperForConditionalGeneration:
    ids = tokenizer.get_vocab()
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    shape = {
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "max_source_positions": WINDOW * 50,
        "max_target_positions": 64,
    }
    known = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start}
    config = WhisperConfig(
        vocab_size=len(tokenizer), **shape, **known, suppress_tokens=None, begin_suppress_tokens=None
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(is_multilingual=True, **known)
    return model


def _saved(folder: Path, model: WhisperForConditionalGeneration, tokenizer: WhisperTokenizer) -> Path:
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(chunk_length=WINDOW), tokenizer).save_pretrained(folder)
    return folder


def babbling(folder: Path) -> Path:
    """Of random weights: what it writes means nothing."""
    torch.manual_seed(3)
    tokenizer = _tokenizer()
    return _saved(folder, _model(tokenizer), tokenizer)


def english(folder: Path) -> Path:
    """Of random weights in two bytes, and told no language."""
    torch.manual_seed(5)
    tokenizer = _tokenizer()
    model = _model(tokenizer).to(torch.bfloat16)
    model.generation_config.is_multilingual = False
    return _saved(folder, model, tokenizer)


def trained(folder: Path) -> Path:
    """It writes " low" for 440 Hz and " high" for 880 Hz, with times and without."""
    torch.manual_seed(4)
    torch.set_num_threads(1)  # threads that spin for each other take ten times as long on a machine that is shared
    tokenizer, rng = _tokenizer(), numpy.random.default_rng(4)
    model, features = _model(tokenizer), WhisperFeatureExtractor(chunk_length=WINDOW)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(_STEPS):
        pairs = [_example(rng, tokenizer) for _ in range(_BATCH)]
        heard = features([sound for sound, _ in pairs], sampling_rate=RATE, return_tensors="pt").input_features
        longest = max(len(tokens) for _, tokens in pairs)
        end = tokenizer.eos_token_id
        rows = torch.tensor([tokens + [end] * (longest - len(tokens)) for _, tokens in pairs])
        logits = model(input_features=heard, decoder_input_ids=rows[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return _saved(folder, model.eval(), tokenizer)


def _example(rng: numpy.random.Generator, tokenizer: WhisperTokenizer) -> tuple[numpy.ndarray, list[int]]:
    """A tone with some noise, and the tokens that are right for it."""
    hertz, word = ((LOW, " low"), (HIGH, " high"))[rng.integers(2)]
    sound = tone(hertz, WINDOW, phase=rng.uniform(0, 6), loud=rng.uniform(0.1, 0.5))
    sound = sound + rng.normal(0, rng.uniform(0, 0.01), len(sound))
    ids, text = tokenizer.get_vocab(), tokenizer(word, add_special_tokens=False).input_ids
    first = [ids[f"<|{name}|>"] for name in ("startoftranscript", "en", "transcribe")]
    marked = rng.integers(2)
    whole = [ids["<|0.00|>"], *text, ids["<|2.00|>"]] if marked else [ids["<|notimestamps|>"], *text]
    return sound, [*first, *whole, ids["<|endoftext|>"]]
