// Drives one JavaScript client against a running server and prints what it got as one JSON object.
//   node clients.mjs <server's address> <client> <task>
import { generateText, streamText, generateObject, embed, embedMany, tool, stepCountIs } from "ai";
import { createOllama } from "ai-sdk-ollama";
import { Ollama } from "ollama";
import OpenAI from "openai";
import { z } from "zod";

const [address, client, task] = process.argv.slice(2);
const CHAT = "smollm2:135m";
const EMBED = "all-minilm:latest";
const TOOLS = "tools:latest";
const HELLO = [{ role: "user", content: "Say hello." }];
const SHORT = { num_predict: 8, temperature: 0, seed: 1 };
const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Tell the weather of a city",
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
    },
  },
};
const ASKS = [{ role: "user", content: "What is the weather in Oslo?" }];
const PERSON = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
};

async function refusal(work) {
  try {
    await work();
  } catch (error) {
    return { message: error.message, status: error.status_code ?? error.status ?? error.statusCode };
  }
  return null;
}

const native = new Ollama({ host: address });
const openai = new OpenAI({ baseURL: `${address}/v1`, apiKey: "none", maxRetries: 0 });
const provider = createOllama({ baseURL: address });

const tasks = {
  ollama: {
    async list() {
      return (await native.list()).models.map((one) => one.name);
    },
    async show() {
      const shown = await native.show({ model: CHAT });
      return { family: shown.details.family, capabilities: shown.capabilities };
    },
    async chat() {
      const reply = await native.chat({ model: CHAT, messages: HELLO, options: SHORT });
      return { text: reply.message.content, done: reply.done, count: reply.eval_count };
    },
    async stream() {
      let text = "";
      let last = null;
      const stream = await native.chat({ model: CHAT, messages: HELLO, options: SHORT, stream: true });
      for await (const part of stream) {
        text += part.message.content;
        last = part;
      }
      return { text, done: last.done, reason: last.done_reason };
    },
    async abort() {
      const stream = await native.generate({
        model: CHAT,
        prompt: "Count to a thousand: 1, 2, 3,",
        stream: true,
        options: { num_predict: 2000, temperature: 0 },
      });
      let parts = 0;
      const failure = await refusal(async () => {
        for await (const _ of stream) {
          parts += 1;
          if (parts === 3) stream.abort();
        }
      });
      return { parts, failure: failure !== null };
    },
    async embed() {
      const reply = await native.embed({ model: EMBED, input: ["one", "two"] });
      return reply.embeddings.map((vector) => vector.length);
    },
    async structured() {
      const reply = await native.chat({
        model: CHAT,
        messages: [{ role: "user", content: "Describe a person." }],
        format: PERSON,
        options: { ...SHORT, num_predict: 60 },
      });
      return JSON.parse(reply.message.content);
    },
    async tools() {
      const reply = await native.chat({ model: TOOLS, messages: ASKS, tools: [WEATHER], options: { temperature: 0, num_predict: 60 } });
      return reply.message.tool_calls.map((call) => call.function);
    },
    async missing() {
      return refusal(() => native.chat({ model: "nothing", messages: HELLO }));
    },
    async copy() {
      await native.copy({ source: CHAT, destination: "copied" });
      const names = (await native.list()).models.map((one) => one.name);
      await native.delete({ model: "copied" });
      return names.includes("copied:latest");
    },
    async create() {
      const steps = [];
      for await (const step of await native.create({ model: "made", from: CHAT, system: "Be brief.", stream: true })) {
        steps.push(step.status);
      }
      const shown = await native.show({ model: "made" });
      await native.delete({ model: "made" });
      return { last: steps.at(-1), system: shown.system };
    },
    async pull() {
      return refusal(async () => {
        for await (const _ of await native.pull({ model: "127.0.0.1:9/library/x", insecure: true, stream: true }));
      });
    },
  },
  openai: {
    async models() {
      return (await openai.models.list()).data.map((one) => one.id);
    },
    async chat() {
      const reply = await openai.chat.completions.create({ model: CHAT, messages: HELLO, max_completion_tokens: 8, temperature: 0 });
      return { text: reply.choices[0].message.content, reason: reply.choices[0].finish_reason, usage: reply.usage };
    },
    async stream() {
      let text = "";
      let usage = null;
      const stream = await openai.chat.completions.create({
        model: CHAT, messages: HELLO, max_tokens: 8, temperature: 0, stream: true,
        stream_options: { include_usage: true },
      });
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta?.content ?? "";
        usage = chunk.usage ?? usage;
      }
      return { text, usage };
    },
    async tools() {
      const reply = await openai.chat.completions.create({
        model: TOOLS, messages: ASKS, tools: [WEATHER], tool_choice: "required", temperature: 0, max_tokens: 60,
      });
      const choice = reply.choices[0];
      return { reason: choice.finish_reason, calls: choice.message.tool_calls.map((call) => ({ name: call.function.name, arguments: JSON.parse(call.function.arguments) })) };
    },
    async structured() {
      const reply = await openai.chat.completions.create({
        model: CHAT, messages: HELLO, max_tokens: 60, temperature: 0,
        response_format: { type: "json_schema", json_schema: { name: "person", schema: PERSON } },
      });
      return JSON.parse(reply.choices[0].message.content);
    },
    async responses() {
      const reply = await openai.responses.create({ model: CHAT, input: "Say hello.", max_output_tokens: 8, temperature: 0 });
      return { text: reply.output_text, status: reply.status, usage: reply.usage };
    },
    async responses_stream() {
      const kinds = [];
      let text = "";
      const stream = await openai.responses.create({ model: CHAT, input: "Say hello.", max_output_tokens: 8, temperature: 0, stream: true });
      for await (const event of stream) {
        if (kinds.at(-1) !== event.type) kinds.push(event.type);
        if (event.type === "response.output_text.delta") text += event.delta;
      }
      return { text, kinds };
    },
    async embed() {
      const reply = await openai.embeddings.create({ model: EMBED, input: ["one", "two"] });
      return reply.data.map((one) => one.embedding.length);
    },
    async missing() {
      return refusal(() => openai.chat.completions.create({ model: "nothing", messages: HELLO }));
    },
  },
  ai: {
    async chat() {
      const reply = await generateText({ model: provider(CHAT, { options: SHORT }), prompt: "Say hello.", maxOutputTokens: 8, temperature: 0 });
      return { text: reply.text, reason: reply.finishReason, usage: reply.usage };
    },
    async stream() {
      const reply = streamText({ model: provider(CHAT), prompt: "Say hello.", maxOutputTokens: 8, temperature: 0 });
      let text = "";
      for await (const part of reply.textStream) text += part;
      return { text, reason: await reply.finishReason };
    },
    async object() {
      const reply = await generateObject({
        model: provider(CHAT, { structuredOutputs: true }), prompt: "Describe a person.", temperature: 0, maxOutputTokens: 60,
        schema: z.object({ name: z.string(), age: z.number().int() }),
      });
      return reply.object;
    },
    async tools() {
      const reply = await generateText({
        model: provider(TOOLS), prompt: "What is the weather in Oslo?", temperature: 0, maxOutputTokens: 60,
        stopWhen: stepCountIs(1),
        tools: { get_weather: tool({ description: "Tell the weather of a city", inputSchema: z.object({ city: z.string() }) }) },
      });
      return reply.toolCalls.map((call) => ({ name: call.toolName, input: call.input }));
    },
    async embed() {
      const one = await embed({ model: provider.textEmbeddingModel(EMBED), value: "one" });
      const many = await embedMany({ model: provider.textEmbeddingModel(EMBED), values: ["one", "two"] });
      return { one: one.embedding.length, many: many.embeddings.map((vector) => vector.length) };
    },
    async missing() {
      return refusal(() => generateText({ model: provider("nothing"), prompt: "x", maxRetries: 0 }));
    },
  },
};

console.log(JSON.stringify(await tasks[client][task]()));
