// A certified OpenID provider on a loopback port, for end-to-end tests: what works with the development provider
// must work with one that is not ours.
//
// usage: node serve.mjs '{"port": 9091, "audience": "doorward-api", "resource": "urn:doorward:api",
//   "web": {"client_id", "client_secret", "redirect_uris", "post_logout_redirect_uris"},
//   "cli": {"client_id"}, "users": [{"username", "password", "name", "email"}]}'

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";

import { Provider, errors } from "oidc-provider";

import { LOGIN_PATH, loginPage } from "./login_page.mjs";
import { MapAdapter } from "./map_adapter.mjs";

const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";
const ACCESS_TOKEN_S = 300;

const config = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${config.port}`;
const users = new Map(config.users.map((user) => [user.username, user]));

const provider = new Provider(issuer, {
  adapter: MapAdapter,
  clients: [
    {
      ...config.web,
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["authorization_code", "refresh_token"],
    },
    {
      ...config.cli,
      token_endpoint_auth_method: "none",
      grant_types: [DEVICE_CODE, "refresh_token"],
      response_types: [],
      redirect_uris: [],
    },
  ],
  jwks: { keys: [signingKey()] },
  cookies: { keys: [randomBytes(32).toString("hex")] },
  claims: {
    openid: ["sub"],
    profile: ["name", "preferred_username"],
    email: ["email", "email_verified"],
  },
  // The user's claims in the ID token: beside a JWT access token for the API, userinfo is out of reach.
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  interactions: { url: (_context, interaction) => `${LOGIN_PATH}${interaction.uid}` },
  findAccount,
  loadExistingGrant: grantEverything,
  issueRefreshToken: (_context, client) => client.grantTypeAllowed("refresh_token"),
  rotateRefreshToken: true,
  features: {
    devInteractions: { enabled: false },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      // A client that names no resource gets the JWT for the API too, at the token endpoint as well.
      defaultResource: (_context, _client, oneOf) => oneOf ?? config.resource,
      useGrantedResource: () => true,
      getResourceServerInfo: (_context, indicator) => resourceServer(indicator),
    },
  },
  ttl: {
    AccessToken: ACCESS_TOKEN_S,
    IdToken: ACCESS_TOKEN_S,
    DeviceCode: 600,
    Interaction: 600,
    Grant: 86400,
    RefreshToken: 86400,
    Session: 86400,
  },
});

// RS256, where the development provider signs with ES256: both kinds of key get their test.
function signingKey() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), alg: "RS256", use: "sig" };
}

function resourceServer(indicator) {
  if (indicator !== config.resource) {
    throw new errors.InvalidTarget();
  }
  return {
    scope: "",
    audience: config.audience,
    accessTokenFormat: "jwt",
    accessTokenTTL: ACCESS_TOKEN_S,
    jwt: { sign: { alg: "RS256" } },
  };
}

function findAccount(_context, username) {
  const user = users.get(username);
  if (user === undefined) {
    return undefined;
  }
  const claims = {
    sub: username,
    name: user.name,
    preferred_username: username,
    email: user.email,
    email_verified: true,
  };
  return { accountId: username, claims: () => claims };
}

// Without a consent page: whoever signs in agrees to what the client asked for.
async function grantEverything(context) {
  const { client, session, params } = context.oidc;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(params.scope);
  await grant.save();
  return grant;
}

const signIn = loginPage(provider, config.users);
const everythingElse = provider.callback();
const server = createServer((request, response) => {
  const handle = request.url.startsWith(LOGIN_PATH) ? signIn : everythingElse;
  handle(request, response);
});
server.listen(config.port, "127.0.0.1", () => console.log(`listening on ${issuer}`));
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => process.exit(0));
}
