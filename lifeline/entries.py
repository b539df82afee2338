"""Everything that is wrong with what was written, where msgspec says only the first.  Pure."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec


def wrongs(place: str, value: Any, kind: Any) -> Iterator[str]:
    """A sentence for everything that msgspec would refuse, where it would say only the first."""
    entry = entry_of(kind)
    if entry is not None and isinstance(value, list):
        for number, one in enumerate(value, 1):
            yield from wrongs(f"{place} {_name_of(one) or number}", one, entry)
        return
    found = False
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        texts = [f"{place}: unknown field `{key}`" for key in value if key not in fields]
        for name, field in fields.items():
            if name in value:
                texts += wrongs(f"{place}: {name}", value[name], field.type)
            elif field.required:
                texts.append(f"{place}: required field `{name}` is missing")
        found = bool(texts)
        yield from texts
    if not found:
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            yield f"{place}: {error}"


def entry_of(kind: Any) -> type[msgspec.Struct] | None:
    """The struct of which a field holds any number."""
    args = get_args(kind)
    if (
        get_origin(kind) is tuple
        and isinstance(args[0], type)
        and issubclass(args[0], msgspec.Struct)
    ):
        return args[0]
    return None


def _name_of(entry: Any) -> str:
    """What people call an entry; '' where it has no name."""
    names = entry if isinstance(entry, dict) else {}
    return str(names.get("name") or names.get("id") or names.get("local") or "")
