// An assistant on the TypeScript SDK: node client.mjs STEP (JSON on the command line), prints one JSON object.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const told = JSON.parse(process.argv[2]);
const find = createRequire(`${told.modules}/`);
const load = async (name) => import(pathToFileURL(find.resolve(`@modelcontextprotocol/sdk/${name}`)).href);
const { Client } = await load("client/index.js");
const { StreamableHTTPClientTransport } = await load("client/streamableHttp.js");
const { StdioClientTransport } = await load("client/stdio.js");

const transport = () =>
  told.url
    ? new StreamableHTTPClientTransport(new URL(told.url), { requestInit: { headers: { Authorization: `Bearer ${told.key}` } } })
    : new StdioClientTransport({ command: told.command[0], args: told.command.slice(1), env: { ...process.env, ...told.env }, cwd: "/" });

const connected = async (work) => {
  const client = new Client({ name: "TypeScript SDK", version: "1" });
  await client.connect(transport());
  try {
    return await work(async (name, args) => client.callTool({ name, arguments: args }), client);
  } finally {
    await client.close();
  }
};
const rest = async (call, item_id) => {
  for (let look = 0; look < 4; look += 1) {
    const { structuredContent: found } = await call("work_status", { item_id, wait_s: 25 });
    if (found.final || found.state === "waiting") return found;
  }
  throw new Error("it goes on and on");
};

const first = await connected(async (call, client) => {
  const tools = (await client.listTools()).tools.map((tool) => tool.name);
  const begun = (await call("work_start", { request: told.request, key: told.name })).structuredContent;
  const again = (await call("work_start", { request: told.request, key: told.name })).structuredContent;
  const approving = await call("approvals_decide", { verdict: "approve" }).catch((error) => ({ isError: true, error: String(error) }));
  return { tools, begun, again, refused: approving.isError === true };
});
const second = await connected(async (call) => {
  const asked = await rest(call, first.begun.item_id);
  const answer = asked.question.choices.find((one) => one.includes("Ruiz"));
  await call("work_answer", { item_id: first.begun.item_id, answer });
  const carded = await rest(call, first.begun.item_id);
  const nudged = (await call("work_nudge", { item_id: first.begun.item_id, text: "not on Monday" })).structuredContent;
  return { asked, carded, nudged };
});
process.stdout.write(JSON.stringify({ ...first, ...second }));
