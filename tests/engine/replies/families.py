"""Templates' marks and replies of every family: what the tests of reader and grammars share."""

from __future__ import annotations

from dataclasses import dataclass

from engine.replies.rules import ReplyRules, reply_rules


def tool(name, properties=None, required=()):
    parameters = {
        "type": "object",
        "properties": properties or {},
        "required": list(required),
    }
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


WEATHER = tool(
    "get_weather",
    {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    ["city"],
)
ADD = tool("add", {"a": {"type": "integer"}, "b": {"type": "number"}}, ["a", "b"])
TOOLS = (WEATHER, ADD)
PARIS = ("get_weather", {"city": "Paris", "days": 2})
SUM = ("add", {"a": 1, "b": 2})

JSON_PARIS = '{"name": "get_weather", "arguments": {"city": "Paris", "days": 2}}'
JSON_SUM = '{"name": "add", "arguments": {"a": 1, "b": 2}}'
XML_PARIS = (
    "<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n"
    "<parameter=days>\n2\n</parameter>\n</function>"
)
GLM_PARIS = (
    "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n"
    "<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>"
)
INVOKE_PARIS = (
    '<invoke name="get_weather">\n<parameter name="city">Paris</parameter>\n'
    '<parameter name="days">2</parameter>\n</invoke>\n'
)


@dataclass(frozen=True)
class Family:
    """One syntax: what its template holds, a reply with calls in it, what is to be found."""

    name: str
    template: str  # the marks that tell it, in a template
    reply: str
    calls: tuple = (PARIS,)
    text: str = ""
    thinking: str = ""

    @property
    def rules(self) -> ReplyRules:
        return reply_rules("jinja", self.template, family="llama", tools=TOOLS, think=None)


FAMILIES = (
    Family(
        "hermes",
        "<tool_call>",
        f"Let me see.\n<tool_call>\n{JSON_PARIS}\n</tool_call>\n<tool_call>{JSON_SUM}"
        "</tool_call>\n",
        (PARIS, SUM),
        "Let me see.",
    ),
    Family(
        "hermes",
        "<tool_call> <think> </think>",
        f"\n<think>\nParis, then.\n</think>\n\n<tool_call>{JSON_PARIS}</tool_call> Done.",
        text="Done.",
        thinking="Paris, then.",
    ),
    Family(
        "qwen3-coder",
        "<tool_call> <function=x> <parameter=y>",
        f"Well.\n\n<tool_call>\n{XML_PARIS}\n</tool_call>",
        text="Well.",
    ),
    Family("qwen3-coder", "<tool_call> <function=x> <parameter=y>", f"{XML_PARIS}\n</tool_call>"),
    Family(
        "seed",
        "<seed:tool_call> <seed:think> </seed:think>",
        f"<seed:think>Hm.</seed:think>\n<seed:tool_call>\n{XML_PARIS}\n</seed:tool_call>",
        thinking="Hm.",
    ),
    Family(
        "llama3",
        "<|start_header_id|>ipython<|end_header_id|>",
        '{"name": "get_weather", "parameters": {"city": "Paris", "days": 2}}; '
        '{"name": "add", "parameters": {"a": 1, "b": 2}}',
        (PARIS, SUM),
    ),
    Family(
        "llama3",
        "<|start_header_id|>ipython<|end_header_id|>",
        '<|python_tag|>{"name": "add", "parameters": {"a": 1, "b": 2}}',
        (SUM,),
    ),
    Family("mistral", "[TOOL_CALLS]", f"[TOOL_CALLS][{JSON_PARIS}, {JSON_SUM}]", (PARIS, SUM)),
    Family(
        "mistral-args",
        "[TOOL_CALLS] [ARGS] [THINK] [/THINK]",
        '[THINK]So.[/THINK]Now: [TOOL_CALLS]get_weather[ARGS]{"city": "Paris", "days": 2}'
        '[TOOL_CALLS]add[CALL_ID]abc123456[ARGS]{"a": 1, "b": 2}',
        (PARIS, SUM),
        "Now:",
        "So.",
    ),
    Family(
        "command",
        "<|START_THINKING|><|END_THINKING|><|START_ACTION|>",
        "<|START_THINKING|>I look.<|END_THINKING|><|START_ACTION|>[\n"
        '  {"tool_call_id": "0", "tool_name": "get_weather", '
        '"parameters": {"city": "Paris", "days": 2}}\n]<|END_ACTION|>',
        thinking="I look.",
    ),
    Family(
        "deepseek",
        "<｜tool▁calls▁begin｜> ```json </think>",
        "<think>a</think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather"
        '\n```json\n{"city": "Paris", "days": 2}\n```<｜tool▁call▁end｜>\n'
        '<｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n{"a": 1, "b": 2}\n```'
        "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        (PARIS, SUM),
        thinking="a",
    ),
    Family(
        "deepseek-v3.1",
        "<｜tool▁calls▁begin｜>",
        "Yes.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>"
        '{"city": "Paris", "days": 2}<｜tool▁call▁end｜><｜tool▁call▁begin｜>add<｜tool▁sep｜>'
        '{"a": 1, "b": 2}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
        (PARIS, SUM),
        "Yes.",
    ),
    Family(
        "kimi",
        "<|tool_call_begin|>",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
        '<|tool_call_argument_begin|>{"city": "Paris", "days": 2}<|tool_call_end|>'
        "<|tool_calls_section_end|>",
    ),
    Family(
        "functionary-v3.1",
        "<|start_header_id|> <function=",
        '<function=get_weather>{"city": "Paris", "days": 2}</function>',
    ),
    Family(
        "functionary-v3.2",
        ">>>all",
        'all\nLet me see.\n>>>get_weather\n{"city": "Paris", "days": 2}>>>add\n{"a": 1, "b": 2}',
        (PARIS, SUM),
        "Let me see.",
    ),
    Family("firefunction", " functools[", f"Sure. functools[{JSON_PARIS}]", text="Sure."),
    Family(
        "harmony",
        "<|start|> <|channel|> <|message|>",
        "<|channel|>analysis<|message|>They ask.<|end|><|start|>assistant<|channel|>commentary "
        'to=functions.get_weather <|constrain|>json<|message|>{"city": "Paris", "days": 2}',
        thinking="They ask.",
    ),
    Family(
        "harmony",
        "<|start|> <|channel|> <|message|>",
        "<|channel|>commentary<|message|>I will look.<|end|><|start|>assistant "
        'to=functions.add<|channel|>commentary json<|message|>{"a": 1, "b": 2}<|call|>',
        (SUM,),
        "I will look.",
    ),
    Family("glm", "<tool_call> <arg_key> </think>", f"<think>x</think>\n{GLM_PARIS}", thinking="x"),
    Family("granite", "<|tool_call|>", f"<|tool_call|>[{JSON_PARIS}]"),
    Family(
        "phi", "<|tool_call|> <|/tool_call|>", f"<|tool_call|>[{JSON_SUM}]<|/tool_call|>", (SUM,)
    ),
    Family(
        "nemotron", "<TOOLCALL>", f"<TOOLCALL>[{JSON_PARIS}, {JSON_SUM}]</TOOLCALL>", (PARIS, SUM)
    ),
    Family("listed", "<tool_calls>", f"Ok\n<tool_calls>[{JSON_PARIS}]</tool_calls>", text="Ok"),
    Family(
        "apertus",
        "<|tools_prefix|> <|inner_prefix|> <|inner_suffix|>",
        '<|inner_prefix|>hm<|inner_suffix|><|tools_prefix|>[{"add": {"a": 1, "b": 2}}]'
        "<|tools_suffix|>",
        (SUM,),
        thinking="hm",
    ),
    Family(
        "gigachat",
        "'function call' <|role_sep|>",
        f"Ok.<|message_sep|>\n\nfunction call<|role_sep|>\n{JSON_PARIS}<|message_sep|>\n\n",
        text="Ok.",
    ),
    Family(
        "listed",
        "<tool_calls> Here are my reasoning steps: [BEGIN FINAL RESPONSE]",
        "Here are my reasoning steps:\nOne.\n[BEGIN FINAL RESPONSE]\n"
        f"<tool_calls>[{JSON_PARIS}]</tool_calls>",
        thinking="One.",
    ),
    Family(
        "gemma",
        "<|tool_call> <tool_call|> <|channel>thought <channel|>",
        '<|channel>thought\nSo.\n<channel|><|tool_call>call:get_weather{city:<|"|>Paris<|"|>,days:2}'
        "<tool_call|>",
        thinking="So.",
    ),
    Family(
        "functiongemma",
        "<start_function_call>",
        "<start_function_call>call:get_weather{city:<escape>Paris<escape>,days:2}"
        "<end_function_call>",
    ),
    Family(
        "pythonic",
        "<|header_start|> ipython",
        '[get_weather(city="Paris", days=2), add(a=1, b=2)]',
        (PARIS, SUM),
    ),
    Family(
        "lfm2",
        "<|tool_list_start|>",
        "<|tool_call_start|>[get_weather(city='Paris', days=2)]<|tool_call_end|>Looking.",
        text="Looking.",
    ),
    Family(
        "lfm2", "<|tool_list_start|>", f"<|tool_call_start|>[{JSON_SUM}]<|tool_call_end|>", (SUM,)
    ),
    Family(
        "olmo3",
        "<function_calls>",
        '<function_calls>\nget_weather(city="Paris", days=2)\nadd(a=1, b=2)\n</function_calls>',
        (PARIS, SUM),
    ),
    Family(
        "minimax",
        "<minimax:tool_call> <think> </think>",
        f"<think>\nm\n</think>\n\n<minimax:tool_call>\n{INVOKE_PARIS}</minimax:tool_call>",
        thinking="m",
    ),
    Family(
        "dsml",
        "DSML function_calls",
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="get_weather">\n'
        '<｜DSML｜parameter name="city" string="true">Paris</｜DSML｜parameter>\n'
        '<｜DSML｜parameter name="days" string="false">2</｜DSML｜parameter>\n'
        "</｜DSML｜invoke>\n</｜DSML｜function_calls>",
    ),
    Family("generic", "no marks at all", f"{JSON_PARIS}"),
)
