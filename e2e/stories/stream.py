"""A long answer, read while something else happens."""

import threading
from dataclasses import dataclass, field

import openai


@dataclass
class Stream:
    """A long answer read in the background."""

    pod: str
    length: int
    """Output tokens to ask for."""
    began: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    tokens: int = 0
    finish: str | None = None
    error: str = ""

    def read(self, url: str) -> None:
        """Until the end or an error, which the test reads."""
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused", timeout=300, max_retries=0)
        try:
            chunks = client.chat.completions.create(
                model="demo",
                messages=[{"role": "user", "content": "Go on"}],
                max_tokens=self.length,
                stream=True,
                stream_options={"include_usage": True},
                extra_body={"ignore_eos": True},
            )
            for chunk in chunks:
                self.began.set()
                if chunk.choices and chunk.choices[0].finish_reason:
                    self.finish = chunk.choices[0].finish_reason
                if chunk.usage:
                    self.tokens = chunk.usage.completion_tokens
        except openai.OpenAIError as error:
            self.error = str(error)
        finally:
            self.done.set()
