"""JSON objects in models' text: found, checked for their required keys, and put into one canonical form."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from agent.models.failures import Garbled, Refused, clip
from agent.models.replies import clean

_MOST_STARTS = 20
_DECLINES = re.compile(
    r"\s*(?:i['’]?m (?:really |very |so )?sorry|sorry\b|i apologi[sz]e|i['’]?m (?:unable|not able)|as an ai\b"
    r"|i (?:cannot|can['’]?t|won['’]?t|am unable|must decline))",
    re.I,
)


def canonical(text: str, schema: str | None) -> str:
    """The object in a model's text, as compact JSON with sorted keys.

    Fences and talk around it are passed over. Raises Refused where the text declines, Garbled where no object with
    the schema's required keys is found.
    """
    required = _required(schema)
    for candidate in _objects(text):
        if all(name in candidate for name in required):
            return clean(json.dumps(candidate, ensure_ascii=False, sort_keys=True, separators=(",", ":")))
    if "{" not in text and _DECLINES.match(text):
        raise Refused(f"The model declined: {clip(text)}", content=text)
    wanted = f" with the keys {', '.join(required)}" if required else ""
    raise Garbled(f"The reply holds no JSON object{wanted}: {clip(text, 80)}", content=text)


def _required(schema: str | None) -> tuple[str, ...]:
    return tuple(json.loads(schema).get("required", ())) if schema else ()


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Every object that starts at one of the first braces, outermost first."""
    decoder = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, strict=False)
    for match in list(re.finditer(r"\{", text))[:_MOST_STARTS]:
        try:
            value, _ = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):  # this brace does not open an object
            continue
        yield value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def strict_schema(schema: Any) -> Any:
    """The schema as strict mode wants it: every object closed, every property required, no defaults or titles."""
    if isinstance(schema, list):
        return [strict_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    properties = schema.get("properties")
    plain = {
        name: strict_schema(value) for name, value in schema.items() if name not in ("title", "default", "properties")
    }
    if isinstance(properties, dict):
        plain["properties"] = {name: strict_schema(value) for name, value in properties.items()}
        plain |= {"required": list(properties), "additionalProperties": False}
    return plain
