"""An object that passes for another: what it does not do itself, the other does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sized


class Guise:
    """Has the attributes, the length and the class (for `isinstance`) of `worn`.

    Attributes that it has itself from the start stay its own; all others are read from `worn` and
    set there, as a `worker_init_fn` does that shares out the data by `get_worker_info().dataset`.
    """

    def __init__(self, worn: object, **own: object) -> None:
        vars(self).update(own, worn=worn)

    @property  # type: ignore[misc]  # the class of the other is what the framework asks for
    @override
    def __class__(self) -> type:
        return type(vars(self)["worn"])

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the other has
        if "worn" not in vars(self):
            raise AttributeError(name)
        return getattr(vars(self)["worn"], name)

    @override
    def __setattr__(self, name: str, value: object) -> None:
        if name in vars(self):
            vars(self)[name] = value
        else:
            setattr(vars(self)["worn"], name, value)

    def __len__(self) -> int:
        return len(cast("Sized", vars(self)["worn"]))

    def __bool__(self) -> bool:
        return bool(vars(self)["worn"])

    @override
    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _dressed, (type(self), vars(self))


def _dressed(guise: type[Guise], own: dict[str, Any]) -> Guise:
    made = object.__new__(guise)
    vars(made).update(own)
    return made
