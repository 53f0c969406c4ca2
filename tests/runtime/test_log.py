"""What clients send must neither reach the log nor stop the engine by way of it."""

import openai
import pytest

HELLO = [{"role": "user", "content": "Say hello."}]
SECRET = "xylophone"


def strict(schema):
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def refused(client, **fields):
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**{"model": "tiny", "messages": HELLO, "max_tokens": 5, **fields})


def test_no_text_of_a_request_is_in_the_log(pod, client):
    secret = [{"role": "user", "content": SECRET}]
    client.chat.completions.create(model="tiny", messages=secret, max_tokens=5)
    refused(client, messages=[{"role": "user", "content": SECRET * 5000}])
    refused(client, extra_body={"grammar": f"root ::= {SECRET} ("})
    refused(client, extra_body={SECRET: 1})
    refused(client, response_format={"type": SECRET})
    refused(client, response_format=strict({"$ref": SECRET}))
    # the engine repeats a pattern that it does not support on its standard error
    pattern = strict({"type": "string", "pattern": SECRET})
    client.chat.completions.create(model="tiny", messages=HELLO, response_format=pattern, max_tokens=5)
    pod.until(lambda: len(pod.outcomes()) >= 2, "the lines of both answers")
    assert SECRET not in pod.log.read_text()


def test_an_engine_that_writes_a_very_long_line_serves_on_and_ends_well(start):
    pod = start(slots=1).ready()
    with pod.client() as client:
        pattern = strict({"type": "string", "pattern": SECRET * 20_000})
        for _ in range(3):
            client.chat.completions.create(model="tiny", messages=HELLO, response_format=pattern, max_tokens=5)
    pod.terminate()
    assert pod.exit_code() == 0
