"""What the tests of real clients share: names, a tool, and a model that calls it."""

CHAT, EMBED, TOOLS = "smollm2:135m", "all-minilm:latest", "tools:latest"
HELLO = [{"role": "user", "content": "Say hello."}]
ASKS = [{"role": "user", "content": "What is the weather in Oslo?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
# The small model calls a tool because its examples do; the syntax is Hermes's.
TEMPLATE = (
    "{{ if .Tools }}<|im_start|>system\n"
    "You call functions. Functions: {{ .Tools }}<|im_end|>\n{{ end }}"
    "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}"
    '{{- range .ToolCalls }}<tool_call>{"name": "{{ .Function.Name }}", '
    '"arguments": {{ .Function.Arguments }}}</tool_call>{{ end }}<|im_end|>\n{{ end }}'
    "<|im_start|>assistant\n"
)
EXAMPLES = [
    message
    for city in ("Paris", "Rome", "Cairo")
    for message in (
        {"role": "user", "content": f"What is the weather in {city}?"},
        {
            "role": "assistant",
            "content": f'<tool_call>{{"name": "get_weather", "arguments": '
            f'{{"city": "{city}"}}}}</tool_call>',
        },
    )
]
