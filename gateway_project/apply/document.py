"""YAML with line numbers.

Plain text stays text, as in `logging: off` and `external_id: 00123`: the schema decides what is a number or a flag, so
YAML's guesses lose nothing. Only `null` and its spellings become None.
"""

from dataclasses import dataclass

import yaml

from gateway_project.apply.mistakes import Mistake, Mistakes, Path

MAX_SIZE = 5 * 2**20
MAX_NODES = 200_000
MAX_DEPTH = 20

_TAGS = {*yaml.SafeLoader.yaml_constructors, "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"}

Tree = str | None | list["Tree"] | dict[str, "Tree"]


@dataclass(frozen=True)
class Document:
    """A file's content, the line of each of its parts, and its mistakes as YAML."""

    source: str
    tree: Tree
    lines: dict[Path, int]
    mistakes: tuple[Mistake, ...] = ()

    def mistake(self, path: Path, sentence: str) -> Mistake:
        return Mistake(self.line(path), path, sentence)

    def line(self, path: Path) -> int:
        """The line of a part, or of the nearest enclosing part that the file mentions."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(raw: bytes, *, source: str) -> Document:
    """Parse a document. Raises Mistakes if it cannot be read to its end."""
    try:
        root = _compose(raw)
        reader = _TreeReader()
        tree = reader.value(root, ())
    except _UnreadableFile as error:
        raise Mistakes(source, [Mistake(error.line, (), str(error))]) from error
    return Document(source, tree, reader.lines, tuple(reader.mistakes))


class _UnreadableFile(Exception):
    def __init__(self, sentence: str, *, line: int = 1) -> None:
        super().__init__(sentence)
        self.line = line


def _compose(raw: bytes) -> yaml.Node:
    if len(raw) > MAX_SIZE:
        raise _UnreadableFile(f"The file is larger than {MAX_SIZE // 2**20} MB.")
    try:
        root = yaml.compose(raw.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _UnreadableFile("The file must be text in UTF-8.", line=line) from error
    except RecursionError as error:
        raise _UnreadableFile("The file is nested too deeply.") from error
    except yaml.YAMLError as error:
        raise _not_yaml(error) from error
    if root is None:
        raise _UnreadableFile("The file is empty.")
    return root


def _not_yaml(error: yaml.YAMLError) -> _UnreadableFile:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    return _UnreadableFile(f"This is not valid YAML: {reason}.", line=mark.line + 1 if mark else 1)


class _TreeReader:
    """Turns nodes into values. Counts every visit, which bounds the expansion of nested aliases."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.mistakes: list[Mistake] = []
        self._visits = 0

    def value(self, node: yaml.Node, path: Path) -> Tree:
        line = self.lines.setdefault(path, node.start_mark.line + 1)
        self._visits += 1
        if self._visits > MAX_NODES or len(path) > MAX_DEPTH:
            raise _UnreadableFile("The file is nested too deeply, or its aliases expand to too much.", line=line)
        if node.tag not in _TAGS:
            self._wrong(node, path, "Tags such as !name are not supported.")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, position)) for position, item in enumerate(node.value)]
        return None if node.tag.endswith(":null") else str(node.value)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Tree:
        tree: dict[str, Tree] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._wrong(key, path, "A field's name must be plain text.")
            elif key.tag.endswith(":merge"):
                self._wrong(key, path, "Merging with << is not supported; write the fields out.")
            elif key.value in tree:
                first = self.lines[(*path, key.value)]
                self._wrong(key, (*path, key.value), f"is given twice; the first time on line {first}.")
            else:
                self.lines[(*path, key.value)] = key.start_mark.line + 1
                tree[key.value] = self.value(item, (*path, key.value))
        return tree

    def _wrong(self, node: yaml.Node, path: Path, sentence: str) -> None:
        self.mistakes.append(Mistake(node.start_mark.line + 1, path, sentence))
