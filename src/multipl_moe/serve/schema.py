"""What clients may ask: the fields of OpenAI's requests that are honoured.

Any other field, and any value that would not be honoured, is refused: ignoring it would answer another question.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from multipl_moe.serve.errors import RequestError

_MOST_PROBLEMS = 5
_UNKNOWN = "unknown, or not supported by this server"

_Count = Annotated[int, Field(ge=1)]
_Neutral = Annotated[float, Field(ge=0, le=0)]
_StopString = Annotated[str, Field(min_length=1, max_length=256)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class StreamOptions(_Strict):
    """Options of a stream; the last event counts the tokens whether asked to or not."""

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class GenerationRequest(_Strict):
    """What completions and chat have in common.

    Where a request leaves `temperature` out, the model's own generation configuration decides how tokens are chosen.
    `language`, which OpenAI's interface does not have, tells a model behind a domain gate what the text is.
    """

    model: str | None = None
    max_tokens: _Count | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: _StopString | Annotated[list[_StopString], Field(max_length=16)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    frequency_penalty: _Neutral | None = None
    presence_penalty: _Neutral | None = None
    user: str | None = None
    language: str | None = None

    @property
    def max_new_tokens(self) -> int | None:
        """Most tokens to add, or None where the request does not say."""
        return self.max_tokens

    @property
    def stop_strings(self) -> list[str]:
        """Strings that end the text."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []


class CompletionRequest(GenerationRequest):
    """Body of /v1/completions; with a suffix, what stands between it and the prompt is asked for."""

    suffix: str | None = None
    prompt: str
    best_of: Literal[1] | None = None
    echo: Literal[False] | None = None
    logprobs: None = None

    @field_validator("prompt")
    @classmethod
    def _is_something(cls, prompt: str, info: ValidationInfo) -> str:
        if not prompt and info.data.get("suffix") is None:
            raise ValueError("it is empty; give some text to continue")
        return prompt


class TextPart(_Strict):
    """A part of a message."""

    type: Literal["text"]
    text: str


class Message(_Strict):
    """What somebody said."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]


class ChatRequest(GenerationRequest):
    """Body of /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: _Count | None = None
    logprobs: Literal[False] | None = None

    @property
    def max_new_tokens(self) -> int | None:
        """See `GenerationRequest`."""
        return self.max_completion_tokens or self.max_tokens


_Request = TypeVar("_Request", bound=GenerationRequest)


def parse_request(kind: type[_Request], body: bytes) -> _Request:
    """The request in a JSON body; raises RequestError, status 400, that names the fields that are wrong."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        lines = []
        for problem in problems[:_MOST_PROBLEMS]:
            message = _UNKNOWN if problem["type"] == "extra_forbidden" else problem["msg"]
            place = ".".join(map(str, problem["loc"]))
            lines.append(f"{place}: {message}" if place else message)
        first = problems[0]["loc"]
        raise RequestError(400, "; ".join(lines), param=str(first[0]) if first else None) from error
