// A certified OpenID provider (npm: oidc-provider) for the tests, on a free loopback port. It prints its issuer,
// and ends when its standard input ends. Tests change its users with POST /control.
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

/** @type {Map<string, object>} the claims of each user by subject */
const people = new Map();
const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "issue-tracker",
      client_secret: "a secret of the tests",
      redirect_uris: ["http://127.0.0.1/callback"],
      post_logout_redirect_uris: ["http://127.0.0.1/login"],
      response_types: ["code"],
      grant_types: ["authorization_code", "refresh_token"],
      require_auth_time: true,
      backchannel_logout_uri: "http://127.0.0.1/sign-out",
      backchannel_logout_session_required: true,
    },
  ],
  cookies: { keys: ["a key of the tests"] },
  claims: {
    openid: ["sub"],
    email: ["email", "email_verified"],
    profile: ["name"],
    groups: ["groups"],
  },
  scopes: ["openid", "email", "profile", "groups", "offline_access"],
  features: {
    backchannelLogout: { enabled: true },
    devInteractions: { enabled: false },
    rpInitiatedLogout: {
      logoutSource: (ctx, form) => {
        ctx.body = `<!doctype html><title>Sign out</title>${form}<button form="op.logoutForm" name="logout" value="yes">Sign out</button>`;
      },
    },
  },
  pkce: { methods: ["S256"], required: () => true },
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  findAccount: (_ctx, id) => (people.has(id) ? { accountId: id, claims: () => ({ sub: id, ...people.get(id) }) } : undefined),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  loadExistingGrant: async (ctx) => {
    // Consent is given in advance.
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid email profile groups offline_access");
    await grant.save();
    return grant;
  },
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 3600, IdToken: 14400, Interaction: 600, RefreshToken: 3600, Session: 3600 },
});
// The product's port differs for each test server.
provider.Client.prototype.redirectUriAllowed = (uri) => /^http:\/\/127\.0\.0\.1:\d+\/login\/with\/real\/callback$/.test(uri);
provider.Client.prototype.postLogoutRedirectUriAllowed = (uri) => /^http:\/\/127\.0\.0\.1:\d+\/login$/.test(uri);

const callback = provider.callback();

/** @param {import("node:http").IncomingMessage} request */
async function bodyOf(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}

server.on("request", async (request, response) => {
  if (request.url === "/control") {
    const { backchannel, ...changes } = JSON.parse(await bodyOf(request));
    for (const [id, claims] of Object.entries(changes)) claims ? people.set(id, claims) : people.delete(id);
    if (backchannel) (await provider.Client.find("issue-tracker")).backchannelLogoutUri = backchannel;
    return response.end();
  }
  if (!request.url.startsWith("/interaction/")) return callback(request, response);
  if (request.method === "POST") {
    const id = new URLSearchParams(await bodyOf(request)).get("login");
    return provider.interactionFinished(request, response, { login: { accountId: id } });
  }
  response.setHeader("Content-Type", "text/html; charset=utf-8");
  response.end(
    '<!doctype html><title>Provider</title><form method="post"><label>Login <input name="login"></label><button>Sign in there</button></form>',
  );
});

process.stdin.on("end", () => process.exit(0)).resume();
console.log(issuer);
