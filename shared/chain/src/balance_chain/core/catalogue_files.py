"""Reading catalogue files: strict YAML, checked by catalogue.schema.json, with errors that name file and key."""

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml


class CatalogueError(Exception):
    """A catalogue file is wrong; the message names the file, the key and what to write instead."""

    def __init__(self, file: str, key: str, problem: str) -> None:
        super().__init__(f"{file}: {key or 'file'}: {problem}")
        self.file = file
        self.key = key
        self.problem = problem


class _Loader(yaml.CSafeLoader):
    """Safe YAML in which a repeated key is an error and a date is a string."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if key_node.value in seen:
                line = key_node.start_mark.line + 1
                raise yaml.constructor.ConstructorError(
                    None, None, f"line {line}: key {key_node.value!r} is there twice"
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> Any:
    """Decode one file; any fault of form is a CatalogueError with its line."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a safe loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CatalogueError(path.name, "", " ".join(str(error).split())) from error
    except OSError as error:
        raise CatalogueError(path.name, "", f"cannot be read: {error.strerror}") from error


class FileChecker:
    """Checks decoded files against the definitions of catalogue.schema.json."""

    def __init__(self, directory: Path) -> None:
        path = directory / "catalogue.schema.json"
        try:
            self._schema = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CatalogueError(path.name, "", f"cannot be read: {error}") from error
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def check(self, file: str, definition: str, value: Any) -> None:
        """Raise for the first fault of `value` as a `definition` ("phase", "common" or "courts")."""
        validator = self._validators.get(definition)
        if validator is None:
            schema = {"$ref": f"#/$defs/{definition}", "$defs": self._schema["$defs"]}
            validator = self._validators[definition] = jsonschema_rs.Draft202012Validator(schema)
        errors = sorted(validator.iter_errors(value), key=lambda error: -len(error.instance_path))
        if errors:
            key = ".".join(str(part) for part in errors[0].instance_path)
            raise CatalogueError(file, key, errors[0].message)
