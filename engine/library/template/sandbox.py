"""Jinja source and values in, text out within bounds of time and size; pure but for the clock.

A chat template comes with a model from anywhere, so it runs in Jinja's sandbox, and whatever can
grow or repeat is measured first (`bounds`). Compiled once, for that takes longer than most
renderings; what was measured belongs to one rendering.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from types import BuiltinMethodType, CodeType

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from engine.errors import ChatTemplateError
from engine.library.template.bounds import (
    MAX_OUTPUT,
    Clock,
    TickingList,
    check_count,
    check_format,
    check_join,
    check_operation,
    check_product,
    check_replace,
    concat,
    weigh,
)

_MAX_TEMPLATE_CHARACTERS = 256 * 1024  # the longest known ones have 30,000
_MAX_COMPILED = 32  # templates kept; a process seldom uses more than a few
_MAX_S = 3.0  # the slowest of 70 known templates needs 0.6 for 1,000 turns

_METHOD_NAMES = (
    "capitalize casefold center count endswith find format index isalnum isalpha isascii "
    "isdecimal isdigit islower isnumeric isspace istitle isupper join ljust lower lstrip "
    "partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip "
    "split splitlines startswith strip swapcase title upper zfill "
)
_STRING_METHODS = frozenset(_METHOD_NAMES.split())
_FILTERS = (
    "abs attr batch capitalize center count d default dictsort e escape first float format "
    "groupby indent int items join last length list lower map max min reject rejectattr replace "
    "reverse round safe select selectattr slice sort string sum title tojson trim truncate "
    "unique upper urlencode wordcount "
)
# Looking into what these are given would make a loop over n turns cost n².
_CHEAP_FILTERS = frozenset({"count", "d", "default", "length"})
_GROWING_FILTERS = frozenset({"batch", "slice", "indent"})
_DATE_WIDTH = re.compile(r"%[^A-Za-z%]*\d")


def run_template(template: str, values: Mapping[str, object], max_s: float = _MAX_S) -> str:
    """Give the text that a template makes of values.

    Raises:
        ChatTemplateError: the template is wrong, refuses the values or exceeds its bounds.

    Source: transformers, utils/chat_template_utils.py (environment and functions).
    """
    if len(template) > _MAX_TEMPLATE_CHARACTERS:
        raise ChatTemplateError(
            f"template error: it has {len(template):,} characters, "
            f"at most {_MAX_TEMPLATE_CHARACTERS:,} are allowed"
        )
    try:
        environment = _Environment(Clock(max_s))
        code = _compiled(template)
        shaped = environment.template_class.from_code(environment, code, environment.globals)
        return shaped.render(values)
    except (TemplateError, RuntimeError, MemoryError, SyntaxError) as error:
        raise ChatTemplateError(f"template error: {_reason(error)}") from error
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        # What the template's own expressions raise.
        raise ChatTemplateError(f"template error: {_reason(error)}") from error


@lru_cache(maxsize=_MAX_COMPILED)
def _compiled(template: str) -> CodeType:
    # The code names the environment but holds nothing of it: every rendering brings its own.
    return _Environment(Clock(_MAX_S)).compile(template)


def _reason(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:500]


class _Generator(CodeGenerator):
    """Compiles so that whatever builds a value asks the environment."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 (Jinja's name)
        self.write("environment.join_text((")
        for each in node.nodes:
            self.visit(each, frame)
            self.write(", ")
        self.write("))")

    def visit_List(self, node: nodes.List, frame: Frame) -> None:  # noqa: N802
        self._checked(node, frame, super().visit_List)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802
        self._checked(node, frame, super().visit_Dict)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802
        if node.ctx == "load":
            self._checked(node, frame, super().visit_Tuple)
        else:
            super().visit_Tuple(node, frame)

    def _checked(self, node: nodes.Expr, frame: Frame, visit: Callable[..., None]) -> None:
        self.write("environment.checked(")
        visit(node, frame)
        self.write(")")


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}` marks what is trained on; the text is as without."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Give the body as it is."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with bounds; made for one rendering."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    code_generator_class = _Generator
    concat = staticmethod(concat)

    def __init__(self, clock: Clock) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[loopcontrols, _Generation],
            finalize=self._output,
            cache_size=0,
        )
        self._clock = clock
        self._n_written = 0
        filters = {name: self._bounded(name, self.filters[name]) for name in _FILTERS.split()}
        self.filters.clear()
        self.filters.update(filters)
        self.filters["tojson"] = _to_json
        self.filters["_loop"] = self._loop
        del self.globals["lipsum"]
        self.globals["raise_exception"] = _raise_exception
        self.globals["strftime_now"] = _strftime_now

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "_loop", [], [], None, None, lineno=loop.lineno)
        return tree

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        """Allow only the methods of texts and numbers whose cost is known."""
        if isinstance(obj, (LoopContext, Namespace)):
            return not attr.startswith("_")  # what Jinja says too, but only after a long look
        if isinstance(obj, str):
            return attr in _STRING_METHODS
        if isinstance(obj, (int, float, bytes)):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """Compute, unless the result would be too large."""
        check_operation(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def call(
        self, context: Context, function: Callable[..., object], *args: object, **named: object
    ) -> object:
        """Call what a template may call, with bounded arguments."""
        self._clock.tick()
        # Jinja wraps str.format; the method of the text stands behind the wrapper.
        method = getattr(function, "__wrapped__", function)
        owner = getattr(method, "__self__", None)
        if isinstance(owner, str):
            _check_string_call(owner, getattr(method, "__name__", ""), [*args, *named.values()])
        elif isinstance(function, BuiltinMethodType) or function is dict:
            weigh([*args, *named.values()])
        result = super().call(context, function, *args, **named)
        if isinstance(result, (list, tuple, dict)):
            weigh(result)
        return result

    def join_text(self, pieces: Sequence[object]) -> str:
        """Do what `~` does."""
        weigh(pieces)
        return "".join(str(piece) for piece in pieces)

    def checked(self, value: object) -> object:
        """Let a list, tuple or mapping pass if it is not too large."""
        weigh(value)
        return value

    def _output(self, value: object) -> object:
        self._n_written += weigh(value)
        if self._n_written > MAX_OUTPUT:
            raise SecurityError(f"the prompt has more than {MAX_OUTPUT:,} characters")
        return value

    def _loop(self, items: Iterable[object]) -> Iterable[object]:
        if isinstance(items, Mapping):
            items = list(items)
        return TickingList(items, self._clock)

    def _bounded(self, name: str, function: Callable[..., object]) -> Callable[..., object]:
        if name in _CHEAP_FILTERS:
            return function
        # A filter may want context or environment before its value; Jinja marks it so.
        mark = getattr(function, "jinja_pass_arg", None)
        n_before = 0 if mark is None else 1

        def bounded(*args: object, **named: object) -> object:
            self._clock.tick()
            given = args[n_before:]
            weight = weigh(given) + weigh(named)
            _check_filter(name, weight, given, named)
            result = function(*args, **named)
            if isinstance(result, Iterator):
                result = list(self._measured(result))
            elif isinstance(result, (str, list, tuple, dict)):
                weigh(result)
            return result

        if mark is not None:
            bounded.jinja_pass_arg = mark  # type: ignore[attr-defined]
        return bounded

    def _measured(self, items: Iterable[object]) -> Iterator[object]:
        total = 0
        for item in self._clock.ticking(items):
            total += weigh(item)
            check_product(1, total)
            yield item


def _check_string_call(text: str, method: str, args: Sequence[object]) -> None:
    for arg in args:
        check_count(arg)
    if method == "replace" and len(args) > 1:
        check_replace(text, args[0], args[1])
    elif method == "join" and args:
        check_join(args[0], text)
    elif method == "format":
        check_format(text, weigh(args))


def _check_filter(
    name: str, weight: int, given: Sequence[object], named: Mapping[str, object]
) -> None:
    options = [*given[1:], *named.values()]
    for option in options:
        check_count(option)
        if name in _GROWING_FILTERS:
            check_product(option, weight)
    if name == "format":
        check_format(str(given[0]), weight)
    elif name == "replace" and len(given) > 2:
        check_replace(given[0], given[1], given[2])
    elif name == "replace":
        raise SecurityError("replace takes the old and the new text by position")
    elif name in {"join", "indent"} and options:
        for option in options:
            check_product(str(given[0]).count("\n") + weight // 8, len(str(option)))


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    weigh(value)
    if indent is not None and not 0 <= indent <= 16:
        raise SecurityError(f"an indent of {indent} is too wide")
    if separators is not None:
        weigh(separators, 100)
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise_exception(message: object) -> None:
    raise TemplateError(str(message))


def _strftime_now(pattern: str) -> str:
    if len(pattern) > 200 or _DATE_WIDTH.search(pattern):
        raise SecurityError("a date's format is too long or asks for a width")
    return datetime.now().astimezone().strftime(pattern)
