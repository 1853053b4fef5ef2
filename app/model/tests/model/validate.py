"""Checks bodies of requests and of answers against the types of the providers' own clients.

Called with a folder of files PROVIDER-request-*.json, PROVIDER-answer-*.json and PROVIDER-wrong-*.json. Says what is wrong with each, and
ends with 1 where anything is. A key that a type does not have is wrong too. Requests that are called wrong have to be: they show that this
here looks at all.
"""

import json
import sys
from pathlib import Path

import anthropic.types
import google.genai.types as gemini
import ollama
import openai.types.chat
import perplexity.types
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming as AnthropicRequest
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming as OpenAiRequest
from ollama._types import ChatRequest as OllamaRequest
from perplexity.types.response_create_params import ResponseCreateParamsNonStreaming as PerplexityRequest
from perplexity.types.response_create_response import ResponseCreateResponse as PerplexityAnswer
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from typing_extensions import is_typeddict

# The clients' types of requests pass by what they do not know. Here it is an error.
for name, module in list(sys.modules.items()):
    if name.split(".")[0] in {"anthropic", "openai", "perplexity"}:
        for type_ in vars(module).values():
            if isinstance(type_, type) and is_typeddict(type_):
                type_.__pydantic_config__ = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

# Ollama's types are classes, and as lenient. Twice, for they hold each other.
for _ in range(2):
    for type_ in vars(sys.modules["ollama._types"]).values():
        if isinstance(type_, type) and issubclass(type_, BaseModel) and type_ is not BaseModel:
            type_.model_config["extra"] = "forbid"
            type_.model_rebuild(force=True)


def gemini_request(body):
    """The client has no type of the whole body, but one of each of its parts. None of them passes by what it does not know."""
    body = dict(body)
    TypeAdapter(list[gemini.Content]).validate_python(body.pop("contents"))
    TypeAdapter(gemini.GenerationConfig).validate_python(body.pop("generationConfig"))
    if "systemInstruction" in body:
        gemini.Content.model_validate(body.pop("systemInstruction"))
    for tool in body.pop("tools", []):
        gemini.Tool.model_validate(tool)
    assert not body, f"unknown: {sorted(body)}"


def ollama_request(body):
    """A message may also be any mapping, says the type of the whole body, which it is not."""
    OllamaRequest.model_validate(body)
    TypeAdapter(list[ollama.Message]).validate_python(body["messages"])


def typed(type_):
    adapter = TypeAdapter(type_)

    # What is declared as an iterable is read lazily: what is in it is wrong only once it is looked at.
    def drain(value):
        if isinstance(value, dict):
            for inner in value.values():
                drain(inner)
        elif isinstance(value, list):
            for inner in value:
                drain(inner)
        elif hasattr(value, "__next__"):
            for inner in value:
                drain(inner)

    return lambda body: drain(adapter.validate_python(body))


CHECKS = {
    "anthropic-request": typed(AnthropicRequest),
    "openai-request": typed(OpenAiRequest),
    "gemini-request": gemini_request,
    "ollama-request": ollama_request,
    "perplexity-request": typed(PerplexityRequest),
    "anthropic-answer": anthropic.types.Message.model_validate,
    "openai-answer": openai.types.chat.ChatCompletion.model_validate,
    "gemini-answer": gemini.GenerateContentResponse.model_validate,
    "ollama-answer": ollama.ChatResponse.model_validate,
    "perplexity-answer": PerplexityAnswer.model_validate,
}


def main(folder):
    files = sorted(Path(folder).glob("*.json"))
    wrong = 0
    for file in files:
        provider, kind, _ = file.name.split("-", 2)
        check = CHECKS[f"{provider}-{'request' if kind == 'wrong' else kind}"]
        problem = None
        try:
            check(json.loads(file.read_text()))
        except (ValidationError, AssertionError) as error:
            problem = str(error)
        if (problem is not None) != (kind == "wrong"):
            wrong += 1
            print(f"{file.name}: {problem or 'this is wrong, and was not found to be'}")
    print(f"{len(files)} bodies, {wrong} of them wrong")
    return 1 if wrong or not files else 0


sys.exit(main(sys.argv[1]))
