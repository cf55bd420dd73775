// An app made with npm's openai. It writes down the ids that the package gives it, one a line.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "sk-demo", maxRetries: 0 });
const model = "gpt-4o";

function write(how, words, id) {
  console.log(JSON.stringify({ how, words, id }));
}

function chat(words, more = {}) {
  return client.chat.completions.create({ model, messages: [{ role: "user", content: words }], ...more });
}

let completion = await chat("node: chat");
write("chat", "node: chat", completion.id);
completion = await chat("node: request id");
write("chat, the head's id", "node: request id", completion._request_id);

let held;
for await (const chunk of await chat("node: streamed", { stream: true })) held ??= chunk.id;
write("chat streamed", "node: streamed", held);

const stream = client.chat.completions.stream({ model, messages: [{ role: "user", content: "node: helper" }] });
write("chat.completions.stream", "node: helper", (await stream.finalChatCompletion()).id);

let response = await client.responses.create({ model, input: "node: response" });
write("response", "node: response", response.id);
response = await client.responses.create({ model, input: "node: other response" });
write("response, the head's id", "node: other response", response._request_id);

let begun;
for await (const event of await client.responses.create({ model, input: "node: events", stream: true })) {
  if (event.type === "response.created") begun = event.response.id;
}
write("response streamed", "node: events", begun);

const named = { headers: { "X-Client-Request-Id": "node-chat-42" } };
await client.chat.completions.create({ model, messages: [{ role: "user", content: "node: named" }] }, named);
write("the app's own", "node: named", "node-chat-42");
