"""vLLM's command line: what the stand-in obeys, and refusal of what vLLM does not know. Reads the recorded options."""

import argparse
import json
from pathlib import Path

SWITCHES = (
    *("--disable-chunked-prefill", "--disable-prefix-caching", "--enable-prompt-tokens-details"),
    *("--enable-expert-parallel", "--enable-lora"),
)
RECORDED = "vllm_options.json"
PLACES = (Path(__file__).parent / RECORDED, Path(__file__).parents[2] / "tests" / "unit" / "data" / RECORDED)


def parse(words: list[str]) -> argparse.Namespace:
    """Exits with code 2 for what vLLM would not take."""
    parser = argparse.ArgumentParser("vllm", allow_abbrev=False)
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("model_tag")
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--served-model-name", nargs="+", default=[])
    parser.add_argument("--max-num-seqs", type=int, default=256)
    parser.add_argument("--max-model-len", type=int, default=2048)
    mine = {option for action in parser._actions for option in action.option_strings}
    for option in set(_recorded()) - mine:
        parser.add_argument(option, **({"action": "store_true"} if option in SWITCHES else {}))  # type: ignore[arg-type]
    return parser.parse_args(words)


def _recorded() -> list[str]:
    found = next(place for place in PLACES if place.exists())
    return list(json.loads(found.read_text())["options"])
