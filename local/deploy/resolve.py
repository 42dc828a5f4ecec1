"""What a template's expressions come to, once its parameters and its resources are known."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local.deploy.document import Document

NO_VALUE = object()
PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")


class UnresolvableError(Exception):
    """An expression whose value only CloudFormation knows."""


@dataclass(frozen=True)
class Scope:
    """Values of parameters, pseudo-parameters and deployed resources."""

    template: Mapping[str, Document]
    values: Mapping[str, Document]
    physical_ids: Mapping[str, str]
    attribute: Callable[[str, str, str], str]

    def reference(self, name: str) -> Document:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.values:
            return self.values[name]
        if name in self.physical_ids:
            return self.physical_ids[name]
        raise UnresolvableError(f"Ref {name}")

    def attribute_of(self, name: str, attribute: str) -> str:
        if name not in self.physical_ids:
            raise UnresolvableError(f"GetAtt {name}.{attribute}")
        kind = self.template["Resources"][name]["Type"]
        return self.attribute(kind, self.physical_ids[name], attribute)

    def resolve(self, node: Document) -> Document:
        """The node with every expression in it replaced by its value; NO_VALUE members dropped."""
        if isinstance(node, list):
            return [v for v in map(self.resolve, node) if v is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        function = _function(node)
        if function is not None:
            return _FUNCTIONS[function](self, node[function])
        resolved = {key: self.resolve(value) for key, value in node.items()}
        return {key: value for key, value in resolved.items() if value is not NO_VALUE}

    def holds(self, condition: str) -> bool:
        return bool(self.resolve(self.template.get("Conditions", {})[condition]))


def _function(node: Mapping[str, Document]) -> str | None:
    name = next(iter(node), "")
    if len(node) != 1 or not (name in ("Ref", "Condition") or name.startswith("Fn::")):
        return None
    if name == "Condition" and not isinstance(node[name], str):
        return None  # a policy statement's member, not an expression
    if name not in _FUNCTIONS:
        raise UnresolvableError(name)
    return name


def _get_att(scope: Scope, argument: Document) -> str:
    name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
    return scope.attribute_of(name, attribute)


def _sub(scope: Scope, argument: Document) -> str:
    text, extra = (argument, {}) if isinstance(argument, str) else argument
    named = {name: scope.resolve(value) for name, value in extra.items()}

    def value(match: re.Match[str]) -> str:
        name = match[1].strip()
        if name in named:
            return str(named[name])
        return str(_get_att(scope, name) if "." in name else scope.reference(name))

    return PLACEHOLDER.sub(value, text).replace("${!", "${")


def _join(scope: Scope, argument: Document) -> str:
    separator, parts = argument
    return str(separator).join(str(part) for part in scope.resolve(parts))


def _if(scope: Scope, argument: Document) -> Document:
    condition, yes, no = argument
    return scope.resolve(yes if scope.holds(condition) else no)


def _select(scope: Scope, argument: Document) -> Document:
    index, values = argument
    return scope.resolve(values)[int(scope.resolve(index))]


def _split(scope: Scope, argument: Document) -> list[str]:
    separator, text = argument
    return str(scope.resolve(text)).split(separator)


def _equals(scope: Scope, argument: Document) -> bool:
    left, right = (scope.resolve(side) for side in argument)
    return str(left) == str(right)


_FUNCTIONS: Mapping[str, Callable[[Scope, Document], Document]] = {
    "Ref": lambda scope, name: scope.reference(name),
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::If": _if,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Equals": _equals,
    "Fn::Not": lambda scope, argument: not scope.resolve(argument[0]),
    "Fn::And": lambda scope, argument: all(scope.resolve(part) for part in argument),
    "Fn::Or": lambda scope, argument: any(scope.resolve(part) for part in argument),
    "Condition": lambda scope, name: scope.holds(name),
}
