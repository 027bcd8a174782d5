"""A template's text in, its tree out; pure.

Source: Go, text/template/parse/parse.go (the grammar and what it refuses).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

from engine.errors import ChatTemplateError
from engine.library.template.go.functions import FUNCTIONS
from engine.library.template.go.lexer import Token, tokens_of
from engine.library.template.go.literals import character_code, number, unquote
from engine.library.template.go.nodes import (
    Action,
    Block,
    Branch,
    Chain,
    Command,
    Dot,
    Field,
    Function,
    If,
    Include,
    Jump,
    Literal,
    Nil,
    Node,
    Operand,
    Pipe,
    Range,
    Template,
    Text,
    Variable,
    With,
    names_in,
    pipes_of,
    refusal,
)

MAX_TEMPLATE_CHARACTERS = 256 * 1024
_MAX_DEPTH = 80  # of branches and parentheses together; each costs some of Python's stack
_BRANCHES: dict[str, type[Branch]] = {"if": If, "with": With, "range": Range}
_RESPONSE = Action(Pipe(0, (Command((Field(("Response",)),)),)))


@lru_cache(maxsize=64)
def parse_go(text: str) -> Template:
    """Read a template as Ollama does.

    One that mentions neither `.Messages` nor `.Response` gets `{{ .Response }}` appended.

    Raises:
        ChatTemplateError: it is wrong (the message says where), too long or too deeply nested.

    Source: Ollama, template/template.go (Parse).
    """
    if len(text) > MAX_TEMPLATE_CHARACTERS:
        raise ChatTemplateError(
            f"template error: it has {len(text):,} characters, "
            f"at most {MAX_TEMPLATE_CHARACTERS:,} are allowed"
        )
    try:
        template = _Parser(text).template()
        names = template_names(template)
    except RecursionError as error:  # the caller stands deep already
        raise ChatTemplateError("template error: nested too deeply") from error
    if names.isdisjoint({"messages", "response"}):
        return replace(template, root=(*template.root, _RESPONSE))
    return template


def template_names(template: Template) -> frozenset[str]:
    """Give every field and variable that a template names, in lower case."""
    blocks = (template.root, *template.defined.values())
    return frozenset(
        name.lower() for block in blocks for pipe in pipes_of(block) for name in names_in(pipe)
    )


@dataclass(slots=True)
class _Scope:
    """What is declared where the parser stands."""

    n_declared: Counter[str]
    order: list[str]
    n_ranges: int = 0  # whose body we are in

    @classmethod
    def fresh(cls) -> _Scope:
        return cls(Counter({"$": 1}), ["$"])

    def declare(self, name: str) -> None:
        self.n_declared[name] += 1
        self.order.append(name)

    def drop_to(self, n: int) -> None:
        for name in self.order[n:]:
            self.n_declared[name] -= 1
        del self.order[n:]


class _Parser:
    """Where the reading stands."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens_of(text)
        self._at = 0
        self._depth = 0
        self._scope = _Scope.fresh()
        self._defined: dict[str, Block] = {}

    # Tokens.

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        if token.kind != "end":
            self._at += 1
        return token

    def _skip_space(self) -> Token:
        while self._peek().kind == "space":
            self._at += 1
        return self._peek()

    def _next_word(self) -> Token:
        self._skip_space()
        return self._next()

    def _unexpected(self, token: Token, context: str) -> ChatTemplateError:
        what = "end of template" if token.kind == "end" else f"{token.text[:60]!r}"
        return refusal(token.line, f"unexpected {what} in {context}")

    def _close(self, context: str) -> None:
        token = self._next_word()
        if token.kind != "close":
            raise self._unexpected(token, context)

    def _deeper(self, line: int) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise refusal(line, f"nested more than {_MAX_DEPTH} deep")

    # Blocks.

    def template(self) -> Template:
        nodes: list[Node] = []
        while self._peek().kind != "end":
            if self._is_keyword_next("define"):
                self._definition()
            else:
                nodes += self._nodes_until("define")
                token = self._peek()
                if token.kind != "end" and not self._is_keyword_next("define"):
                    raise refusal(token.line, f"unexpected {{{{{self._keyword()}}}}}")
        return Template(self._text, tuple(nodes), self._defined)

    def _keyword(self) -> str:
        """Give the keyword that opens the action ahead, if one does."""
        if self._peek().kind != "open":
            return ""
        at = self._at + 1
        while self._tokens[at].kind == "space":
            at += 1
        return self._tokens[at].text if self._tokens[at].kind == "keyword" else ""

    def _is_keyword_next(self, keyword: str) -> bool:
        return self._keyword() == keyword

    def _nodes_until(self, *keywords: str) -> list[Node]:
        """Read up to an `end`, an `else` or one of the keywords, which stays ahead."""
        nodes: list[Node] = []
        while self._peek().kind != "end":
            if self._keyword() in {"end", "else", *keywords}:
                break
            nodes.append(self._node())
        return nodes

    def _node(self) -> Node:
        token = self._next()
        if token.kind == "text":
            return Text(token.text)
        keyword = self._skip_space()
        if keyword.kind != "keyword" or keyword.text == "nil":
            return Action(self._pipeline("command"))
        self._next()
        if keyword.text in _BRANCHES:
            return self._branch(keyword)
        if keyword.text in {"break", "continue"}:
            self._close(keyword.text)
            if not self._scope.n_ranges:
                raise refusal(keyword.line, f"{{{{{keyword.text}}}}} outside {{{{range}}}}")
            return Jump(keyword.text == "break")
        if keyword.text == "template":
            return self._include(keyword.line)
        if keyword.text == "block":
            return self._block(keyword.line)
        raise self._unexpected(keyword, "command")

    def _branch(self, keyword: Token) -> Branch:
        self._deeper(keyword.line)
        n_variables = len(self._scope.order)
        pipe = self._pipeline(keyword.text)
        self._scope.n_ranges += keyword.text == "range"
        body = tuple(self._nodes_until())
        self._scope.n_ranges -= keyword.text == "range"
        orelse = self._orelse(keyword)
        self._scope.drop_to(n_variables)
        self._depth -= 1
        return _BRANCHES[keyword.text](pipe, body, orelse)

    def _orelse(self, keyword: Token) -> Block:
        """Read the rest of a branch, its one `end` included."""
        if self._end_or_else(keyword):
            return ()
        following = self._skip_space()
        if following.kind == "keyword" and following.text == keyword.text != "range":
            # `else if` and `else with` share the end of what they hang on.
            self._next()
            return (self._branch(following),)
        self._close("else")
        nodes = tuple(self._nodes_until())
        if not self._end_or_else(keyword):
            raise refusal(self._peek().line, "expected end; found {{else}}")
        return nodes

    def _end_or_else(self, keyword: Token) -> bool:
        """Read `end` whole, or of an `else` only the word."""
        if self._keyword() not in {"end", "else"}:
            raise refusal(
                self._peek().line, f"unexpected EOF: {keyword.text} of line {keyword.line} is open"
            )
        self._next()
        word = self._next_word()
        if word.text == "else":
            return False
        self._close("end")
        return True

    def _apart(self, what: Token, name: str) -> None:
        """Read the body of a `define` or `block`, which sees no variables of ours."""
        self._deeper(what.line)
        outer, self._scope = self._scope, _Scope.fresh()
        body = tuple(self._nodes_until())
        if not self._end_or_else(what):
            raise refusal(self._peek().line, f"unexpected {{{{else}}}} in {what.text}")
        self._scope = outer
        self._depth -= 1
        if not name:
            raise refusal(what.line, f"{what.text} without a name")
        if not all(isinstance(node, Text) and not node.text.strip() for node in body):
            if self._defined.get(name):
                raise refusal(what.line, f"multiple definition of template {name!r}")
            self._defined[name] = body
        else:
            self._defined.setdefault(name, body)

    def _definition(self) -> None:
        self._next()
        keyword = self._next_word()
        name = self._template_name("define clause")
        self._close("define clause")
        self._apart(keyword, name)

    def _block(self, line: int) -> Node:
        name = self._template_name("block clause")
        pipe = self._pipeline("block clause")
        self._apart(Token("keyword", "block", line), name)
        return Include(line, name, pipe)

    def _include(self, line: int) -> Node:
        name = self._template_name("template clause")
        if self._skip_space().kind == "close":
            self._next()
            return Include(line, name, None)
        return Include(line, name, self._pipeline("template clause"))

    def _template_name(self, context: str) -> str:
        token = self._next_word()
        if token.kind != "string":
            raise self._unexpected(token, context)
        return self._unquoted(token)

    # Pipelines.

    def _pipeline(self, context: str, closing: str = "close") -> Pipe:
        """Read a pipeline and the delimiter that ends it."""
        line = self._skip_space().line
        declared, is_assignment = self._declarations(context)
        commands: list[Command] = []
        while True:
            token = self._skip_space()
            if token.kind in {"close", "right"}:
                if token.kind != closing:
                    raise self._unexpected(token, context)
                self._next()
                break
            commands.append(self._command(context))
        self._check(commands, line, context)
        return Pipe(line, tuple(commands), declared, is_assignment)

    def _check(self, commands: list[Command], line: int, context: str) -> None:
        if not commands:
            raise refusal(line, f"missing value for {context}")
        for stage, command in enumerate(commands[1:], start=2):
            if isinstance(command.operands[0], (Literal, Dot, Nil)):
                raise refusal(line, f"non executable command in pipeline stage {stage}")

    def _declarations(self, context: str) -> tuple[tuple[str, ...], bool]:
        names: list[str] = []
        while self._skip_space().kind == "variable":
            start = self._at
            variable = self._next()
            sign = self._skip_space()
            if sign.kind in {"assign", "declare"}:
                self._next()
                names.append(variable.text)
                # Go's parser, too, takes an assignment to nothing; its execution does not.
                for name in names:
                    self._scope.declare(name)
                return tuple(names), sign.kind == "assign"
            if sign.kind == "punctuation" and sign.text == ",":
                self._next()
                names.append(variable.text)
                if context == "range" and len(names) < 2:
                    if self._skip_space().kind != "variable":
                        raise refusal(sign.line, "range can only initialize variables")
                    continue
                raise refusal(sign.line, f"too many declarations in {context}")
            if names:
                raise refusal(sign.line, "range can only initialize variables")
            self._at = start
            break
        return (), False

    def _command(self, context: str) -> Command:
        operands: list[Operand] = []
        while True:
            token = self._skip_space()
            operand = self._operand()
            if operand is not None:
                operands.append(operand)
            following = self._peek()
            if following.kind == "space" and operand is not None:
                self._next()
                continue
            if following.kind == "pipe":
                self._next()
            elif following.kind not in {"close", "right"}:
                raise self._unexpected(following, context if operand is None else "operand")
            break
        if not operands:
            raise refusal(token.line, "empty command")
        return Command(tuple(operands))

    def _operand(self) -> Operand | None:
        token = self._peek()
        term = self._term(token)
        names: list[str] = []
        while term is not None and self._peek().kind == "field":
            names.append(self._next().text[1:])
        if term is None or not names:
            return term
        if isinstance(term, Field):
            return Field((*term.names, *names))
        if isinstance(term, Variable):
            return Variable(term.name, (*term.names, *names))
        if isinstance(term, (Literal, Nil, Dot)):
            raise refusal(token.line, f"unexpected . after term {token.text[:60]!r}")
        return Chain(term, tuple(names))

    def _term(self, token: Token) -> Operand | None:
        if token.kind == "left":
            self._next()
            self._deeper(token.line)
            pipe = self._pipeline("parenthesized pipeline", "right")
            self._depth -= 1
            return pipe
        term = self._simple_term(token)
        if term is not None:
            self._next()
        return term

    def _simple_term(self, token: Token) -> Operand | None:
        match token.kind:
            case "dot":
                return Dot()
            case "field":
                return Field((token.text[1:],))
            case "variable":
                if not self._scope.n_declared[token.text]:
                    raise refusal(token.line, f'undefined variable "{token.text}"')
                return Variable(token.text)
            case "word":
                return self._named(token)
            case "keyword" if token.text == "nil":
                return Nil()
            case "string":
                return Literal(self._unquoted(token))
            case "number" | "char":
                return Literal(self._number(token))
        return None

    def _named(self, token: Token) -> Operand:
        if token.text in {"true", "false"}:
            return Literal(token.text == "true")
        if token.text not in FUNCTIONS:
            raise refusal(token.line, f'function "{token.text[:60]}" not defined')
        return Function(token.text)

    def _number(self, token: Token) -> int | float:
        try:
            return character_code(token.text) if token.kind == "char" else number(token.text)
        except ValueError as error:
            raise refusal(token.line, str(error)) from error

    def _unquoted(self, token: Token) -> str:
        try:
            return unquote(token.text)
        except ValueError as error:
            raise refusal(token.line, str(error)) from error
