// oidc-provider (npm, MIT) as an organisation would run it: accounts from a file, its own sign-in pages, everything in memory.
// Arguments: folder of node_modules, port, file of {"accounts", "client", "in_token"}.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modules, port, file] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`).href);
const { accounts, client, in_token } = JSON.parse(readFileSync(file, "utf8"));
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [client],
  conformIdTokenClaims: !in_token, // true: what a person's scopes tell is at the userinfo endpoint only
  claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
  scopes: ["openid", "email", "groups", "profile"],
  pkce: { required: () => true },
  cookies: { keys: ["of this test alone"] },
  findAccount: (_, id) => accounts[id] && { accountId: id, claims: async () => ({ sub: id, ...accounts[id] }) },
});
provider.listen(Number(port), "127.0.0.1");
