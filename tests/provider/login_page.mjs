// The login page of the certified provider: the same field names and labels as the development provider's, so
// that one browser test signs in at both.

import { timingSafeEqual, createHash } from "node:crypto";

const LARGEST_FORM = 16 * 1024;

export const LOGIN_PATH = "/interaction/";

export function loginPage(provider, users) {
  return async (request, response) => {
    try {
      const interaction = await provider.interactionDetails(request, response);
      if (interaction.prompt.name !== "login") {
        return show(response, 501, `<p>No page for ${escape(interaction.prompt.name)}.</p>`);
      }
      if (request.method !== "POST") {
        return show(response, 200, form(interaction.params.login_hint ?? ""));
      }
      const fields = await readForm(request);
      const user = users.find(({ username }) => username === fields.get("username"));
      if (user === undefined || !isSame(user.password, fields.get("password") ?? "")) {
        return show(response, 401, form(fields.get("username") ?? "", "The user name or the password is wrong."));
      }
      const result = { login: { accountId: user.username } };
      return await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
    } catch (error) {
      return show(response, 400, `<p role="alert">${escape(String(error.message))}</p>`);
    }
  };
}

async function readForm(request) {
  let body = "";
  for await (const chunk of request) {
    body += chunk;
    if (body.length > LARGEST_FORM) {
      throw new Error("the form is too large");
    }
  }
  return new URLSearchParams(body);
}

function isSame(password, presented) {
  const digest = (text) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(password), digest(presented));
}

function form(username, fault = "") {
  return `<p role="alert">${fault}</p>
<form method="post">
<label>User name <input name="username" value="${escape(username)}" required></label>
<label>Password <input name="password" type="password" required></label>
<button type="submit">Sign in</button>
</form>`;
}

function show(response, status, body) {
  response.writeHead(status, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
  response.end(`<!doctype html><html lang="en"><title>Sign in</title><h1>Sign in</h1>${body}</html>`);
}

function escape(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
