// Streams an answer with npm's openai and rates it, by the id that the SDK gives anyway.
//
// What it shows: only the base URL is the sidecar's. The `id` of any chunk is a name of the call, so the thumb lands
// on this answer, however many others have come since; `/feedback/last` would take the newest.
//
//     npm install openai
//     helicone-proxy demo                     # in another terminal
//     node rate_openai.mjs Why is the sky blue?
//
// You see the answer as it comes, and then, some seconds later, that Helicone has stored the thumb: "verified".
// Exit status 1 means that it is not there yet. Real models need OPENAI_API_KEY, and a sidecar with a Helicone key.
import OpenAI from "openai";

const sidecar = process.env.HELICONE_PROXY_URL ?? "http://localhost:8747";
const client = new OpenAI({ baseURL: `${sidecar}/v1`, apiKey: process.env.OPENAI_API_KEY ?? "sk-demo" });
const question = process.argv.slice(2).join(" ") || "Why is the sky blue?";

let id;
const asked = { model: "gpt-4o-mini", messages: [{ role: "user", content: question }], stream: true };
const stream = await client.chat.completions.create(asked).catch((error) => {
  if (!(error instanceof OpenAI.APIConnectionError)) throw error;
  console.error(`No sidecar answers at ${sidecar}: start one, such as \`helicone-proxy demo\`.`);
  process.exit(1);
});
for await (const chunk of stream) {
  id = chunk.id;
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}
console.log(`\n\nrating ${id} ...`);

// Until Helicone has stored it takes 20 to 30 s as a rule, in the demo 2.
const answer = await fetch(`${sidecar}/feedback/${id}?wait=verified&timeout=1m`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ rating: true, comment: "short and right", rater: "rate_openai.mjs" }),
});
const said = await answer.json();
console.log(answer.ok ? `${said.state}: ${said.message}` : said.error.message);
process.exitCode = said.state === "verified" ? 0 : 1;
