"""Bytes of a source file in, exactly its text out, a block for each function or class.

tree-sitter finds the structure, with grammars that lie in their wheels; nothing is downloaded.
Headings are names that the text itself declares (package > class > method): the file's own name is
no part of its content, and changes without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

from ingest.errors import EmptyFileError
from ingest.load.decode import decode
from ingest.load.outline import PIECE, Cut, Offsets, blocks_of
from ingest.load.text import paragraphs
from ingest.types import Block, Loaded

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_BYTES = 8 * 1024**2  # of a file whose structure is looked for; a tree takes many times that
_MINIFIED = 5_000  # characters of a line, on average: written by a program, for a program
_GRAMMARS = {  # suffixes → module, function that gives the grammar
    "py pyi pyw": ("tree_sitter_python", "language"),
    "js mjs cjs jsx": ("tree_sitter_javascript", "language"),
    "ts mts cts": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "java": ("tree_sitter_java", "language"),
    "go": ("tree_sitter_go", "language"),
    "rs": ("tree_sitter_rust", "language"),
    "c": ("tree_sitter_c", "language"),
    "h cpp hpp cc cxx hh hxx": ("tree_sitter_cpp", "language"),
    "cs": ("tree_sitter_c_sharp", "language"),
    "rb": ("tree_sitter_ruby", "language"),
    "php": ("tree_sitter_php", "language_php"),
    "sh bash": ("tree_sitter_bash", "language"),
}
LANGUAGES = {suffix: found for names, found in _GRAMMARS.items() for suffix in names.split()}


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


PLAIN = _words(  # suffixes that are read as code, by their blank lines
    "sql r lua css scss less kt kts swift scala pl pm m jl dart zig ps1 bat cmd vue svelte hs ex"
    " exs erl clj groovy gradle proto graphql cmake tex bib"
)
_CONTAINERS = _words(
    "class_definition class_declaration abstract_class_declaration interface_declaration"
    " enum_declaration record_declaration struct_declaration annotation_type_declaration"
    " internal_module module namespace_definition namespace_declaration class_specifier"
    " struct_specifier union_specifier impl_item trait_item mod_item trait_declaration"
    " class"
)
_DEFINITIONS = _CONTAINERS | _words(
    "function_definition function_declaration generator_function_declaration method_definition"
    " method_declaration constructor_declaration function_item function_signature_item struct_item"
    " enum_item union_item macro_definition enum_specifier type_definition type_alias_declaration"
    " type_spec method singleton_method abstract_method_signature"
)
_FUNCTIONS = ("arrow_function", "function_expression", "class", "generator_function")
_WRAPPERS = _words(
    "export_statement decorated_definition template_declaration expression_statement"
    " lexical_declaration variable_declaration type_declaration ambient_declaration"
)
_OPEN = _words(  # nodes whose children stand as if in their place
    "block class_body declaration_list field_declaration_list body_statement enum_body"
    " enum_body_declarations interface_body statement_block preproc_ifdef preproc_if preproc_else"
    " linkage_specification"
)
_COMMENTS = _words("comment line_comment block_comment attribute_item decorator")
_MODULES = ("package_declaration", "package_clause", "file_scoped_namespace_declaration")
Path = tuple[str, ...]


def load(data: bytes, name: str) -> Loaded:
    """Load source code; the text is exactly the decoded file.

    Raises:
        EmptyFileError: there are only blanks.
        BrokenFileError: the bytes are no text.
    """
    text = decode(data)
    if not text or text.isspace():
        raise EmptyFileError("the file holds no text, only blanks")
    return Loaded(text, structure(text, name.rpartition(".")[2].casefold()), "", "text/plain")


def structure(text: str, suffix: str) -> tuple[Block, ...]:
    """Find functions and classes, or the pieces between blank lines in an unknown language."""
    if suffix in LANGUAGES and len(text) <= MAX_BYTES and not _is_minified(text):
        blocks = tuple(blocks_of(text, _cuts(text, suffix)))
        if blocks:
            return blocks
    return tuple(Block(start, end, "code") for start, end in paragraphs(text))


def _is_minified(text: str) -> bool:
    """Tell text without lines: each of its functions would be a block of a few words."""
    return len(text) > _MINIFIED * (text.count("\n") + 1)


def _cuts(text: str, suffix: str) -> list[Cut]:
    from tree_sitter import Language, Parser  # native, with its grammars some megabytes

    module, function = LANGUAGES[suffix]
    encoded = text.encode("utf-8", "surrogatepass")
    parser = Parser(Language(getattr(import_module(module), function)()))
    offset = Offsets(encoded)
    walk = _Walk(encoded)
    walk.read(parser.parse(encoded).root_node)
    found = sorted(walk.cuts, key=lambda cut: cut.start)
    return [Cut(offset(cut.start), cut.path, cut.is_firm) for cut in found]


class _Walk:
    """Goes through a tree's definitions without recursion; its cuts count bytes."""

    def __init__(self, encoded: bytes) -> None:
        self.encoded = encoded
        self.cuts: list[Cut] = []

    def read(self, root: Node) -> None:
        """Read everything below a node."""
        todo: list[tuple[Node, Path, int]] = [(root, (), -1)]
        while todo:
            todo += self._children(*todo.pop())

    def _children(self, node: Node, path: Path, start: int) -> Iterator[tuple[Node, Path, int]]:
        """Cut before the children of a node; give those to go into.

        Args:
            start: of the comments that go with what comes next, -1 = none.
        """
        for child in node.named_children:
            if child.type in _COMMENTS:
                if start < 0 and self._begins_line(child):
                    start = child.start_byte
                continue
            at, start = child.start_byte if start < 0 else start, -1
            definition = _definition_in(child)
            if definition is not None:
                inner = (*path, *self._names(definition))
                self.cuts.append(Cut(at, inner))
                if definition.type in _CONTAINERS:
                    yield definition, inner, -1
                else:
                    self._cut_long(definition, inner)
            elif child.type in _OPEN:
                yield child, path, at if at < child.start_byte else -1  # Ruby's stand before it
            else:
                if child.type in _MODULES or _is_bare_namespace(child):
                    path = self._module(child)
                self.cuts.append(Cut(at, path, is_firm=False))
                self._cut_long(child, path)

    def _names(self, node: Node) -> Path:
        """Read what a definition is called; a method of Go with the type that it belongs to."""
        named = node.child_by_field_name("name") or node.child_by_field_name("type")
        if node.type in ("function_definition", "type_definition"):
            inner = node.child_by_field_name("declarator")
            while inner is not None:
                named, inner = inner, inner.child_by_field_name("declarator")
        receiver = node.child_by_field_name("receiver")
        names = [self._text(named)] if named is not None else []
        if receiver is not None:
            names = [self._text(receiver).strip("()").split()[-1].lstrip("*"), *names]
        return tuple(name for name in names if name)

    def _module(self, node: Node) -> Path:
        named = node.child_by_field_name("name") or next(iter(node.named_children), None)
        return (self._text(named),) if named is not None else ()

    def _text(self, node: Node) -> str:
        raw = self.encoded[node.start_byte : min(node.end_byte, node.start_byte + 100)]
        return " ".join(raw.decode("utf-8", "ignore").split())

    def _cut_long(self, node: Node, path: Path) -> None:
        """Cut what is long before its statements, comments kept with what follows."""
        todo = [node] if node.end_byte - node.start_byte > PIECE else []
        while todo:
            is_commented = False
            for child in todo.pop().named_children:
                if not is_commented and self._begins_line(child):
                    self.cuts.append(Cut(child.start_byte, path, is_firm=False))
                is_commented = child.type in _COMMENTS
                if child.end_byte - child.start_byte > PIECE:
                    todo.append(child)

    def _begins_line(self, node: Node) -> bool:
        at = self.encoded.rfind(b"\n", 0, node.start_byte) + 1
        return not self.encoded[at : node.start_byte].strip()


def _definition_in(node: Node) -> Node | None:
    """Find the definition that a node is, or wraps: exported, decorated, assigned to a name."""
    todo = [node]
    while todo:
        node = todo.pop()
        if node.type in _DEFINITIONS:
            return None if _is_bare_namespace(node) else node
        value = node.child_by_field_name("value")
        if node.type == "variable_declarator" and value is not None and value.type in _FUNCTIONS:
            return node
        if node.type in _WRAPPERS or node.type == "declaration":
            todo += [one for one in reversed(node.named_children) if one.type != "declarator"]
        elif node.type == "variable_declarator":
            continue
    return None


def _is_bare_namespace(node: Node) -> bool:
    is_namespace = node.type == "namespace_definition"
    return is_namespace and node.child_by_field_name("body") is None
