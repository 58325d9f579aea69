"""A model behind an API like OpenAI's (vLLM, Ollama, llama.cpp and others have it): `/chat/completions`.

Its settings are variables of the worker, in `services/ml_worker/.env`: OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_MODEL.
"""

import asyncio
import http.client
import json
import os
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ml_service.runtime.author import Context, Model, PredictionFailure, Retry

SYSTEM = "You answer in one short paragraph."
RETRY_S = 5.0  # where the upstream does not say how long it is busy


class LanguageModelFailed(Exception):
    """What callers read of an answer that is none; the log says more."""


class Answer(BaseModel):
    text: str
    tokens: int


class Openai(Model):
    name = "openai"  # the folder's name, lower case
    version = "1.0.0"
    price_credits = 5
    description = "Answers a question with a large language model."
    batch_size = 16  # so many requests are under way at once
    timeout_s = 60.0  # for each of them

    def load(self) -> None:
        base = os.environ.get("OPENAI_BASE_URL", "")
        self.key = os.environ.get("OPENAI_API_KEY", "")
        if not base and not self.key:
            raise RuntimeError("Set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own, for the workers")
        self.url = f"{(base or 'https://api.openai.com/v1').rstrip('/')}/chat/completions"
        self.model = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
        self.threads = ThreadPoolExecutor(self.batch_size)

    async def predict(
        self,
        prompt: Annotated[str, Field(min_length=1, max_length=20_000, examples=["What is an outbox table?"])],
        context: Context,
        temperature: Annotated[float, Field(ge=0, le=2)] = 0.2,
    ) -> Answer:
        body = {
            "model": self.model,
            "temperature": temperature,
            "user": context.user,
            "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}],
        }
        loop = asyncio.get_running_loop()
        reply = await loop.run_in_executor(self.threads, self.post, body, context.prediction_id)
        try:
            text = reply["choices"][0]["message"]["content"]
            return Answer(text=text, tokens=reply.get("usage", {}).get("total_tokens", 0))
        except (LookupError, TypeError, AttributeError, ValueError):
            raise LanguageModelFailed(f"no text in {str(reply)[:200]}") from None

    def post(self, body: dict[str, Any], key: str) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            if error.code in (429, 503):  # seconds, or a date
                raise Retry(error.headers.get("Retry-After", RETRY_S)) from None
            if error.code in (400, 413, 422):
                raise PredictionFailure("The language model refuses this prompt.") from None
            raise LanguageModelFailed(f"it answered {error.code}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:  # no connection, cut off, or no JSON
            raise LanguageModelFailed(repr(error)) from None
