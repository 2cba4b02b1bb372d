import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { FakeServer, json } from "./fakes/server";
import { openConsole } from "./openConsole";

function signedOut(): FakeServer {
  return Object.assign(new FakeServer(), { isLoggedIn: false });
}

test("nothing but the loading state shows until the server has answered", () => {
  const server = new FakeServer();
  server.hang("/session");

  openConsole(server);

  expect(screen.getByRole("status")).toHaveTextContent("Loading…");
  expect(screen.queryByRole("button")).not.toBeInTheDocument();
});

test("who is signed out sees what Doorward is and a way in", async () => {
  const server = signedOut();

  openConsole(server);

  expect(await screen.findByRole("button", { name: "Log in" })).toBeInTheDocument();
  expect(screen.getByRole("heading", { name: /one front door/i })).toBeInTheDocument();
  expect(server.seen.map((request) => request.path)).toEqual(["/session"]);
});

test("logging in comes back to the same place", async () => {
  const { platform, person } = openConsole(signedOut(), "/tenants?tab=all#new");

  await person.click(await screen.findByRole("button", { name: "Log in" }));

  const start = new URL(platform.went[0] ?? "", "https://door.example");
  expect(start.pathname).toBe("/login/start");
  expect(start.searchParams.get("redirect")).toBe("/tenants?tab=all#new");
  expect(start.searchParams.get("failure")).toBe("/tenants");
});

test("a signed-in user sees who they are, their tenant and role, and the session's time", async () => {
  openConsole(new FakeServer());

  expect(await screen.findByRole("heading", { name: "Alice Doe" })).toBeInTheDocument();
  expect(screen.getByText("alice@example.com")).toBeInTheDocument();
  expect(screen.getByText("AD")).toBeInTheDocument();
  const tenant = screen.getByRole("region", { name: "Your tenant" });
  expect(await screen.findByText("Observatory")).toBeInTheDocument();
  expect(tenant).toHaveTextContent("owner");
  expect(screen.getByRole("region", { name: "Session" })).toHaveTextContent("30 min 00 s");
  expect(screen.getByRole("region", { name: "Session" })).toHaveTextContent("8 h 00 min");
});

test("the countdown counts", async () => {
  const { advance } = openConsole(new FakeServer());
  await screen.findByRole("heading", { name: "Alice Doe" });

  advance(15);

  expect(screen.getByRole("region", { name: "Session" })).toHaveTextContent("29 min 45 s");
});

test("the question who is there does not extend the session", async () => {
  const server = new FakeServer();

  openConsole(server);
  await screen.findByRole("heading", { name: "Alice Doe" });

  const asked = server.seen.filter((request) => request.path.startsWith("/userinfo"));
  expect(asked.map((request) => request.path)).toEqual(["/userinfo?slide=false"]);
});

test("the terminal's commands name this server and can be copied", async () => {
  const { person, platform } = openConsole(new FakeServer());

  await person.click(await screen.findByRole("button", { name: /^Copy doorward login/ }));

  expect(platform.copied).toEqual(["doorward login --server https://door.example"]);
  expect(screen.getByText("Copied.")).toBeInTheDocument();
});

test("a browser that forbids copying is no dead end", async () => {
  const { person, platform } = openConsole(new FakeServer());
  platform.hasClipboard = false;

  await person.click(await screen.findByRole("button", { name: "Copy doorward whoami" }));

  expect(screen.getByText(/Select the text instead/)).toBeInTheDocument();
});

test.each([
  ["access_denied", /cancelled or refused/],
  ["provider_unavailable", /cannot be reached right now/],
  ["login_failed", /did not work/],
  ["constructor", /did not work/],
  ["<img src=x onerror=alert(1)>", /did not work/],
])("a login that failed with %s is told in a sentence, once", async (code, sentence) => {
  const { platform } = openConsole(signedOut(), `/?error=${encodeURIComponent(code)}&tab=all#here`);

  expect(await screen.findByRole("alert")).toHaveTextContent(sentence);
  expect(document.body).not.toHaveTextContent(code);
  expect(platform.address()).toMatchObject({ path: "/", search: "?tab=all", hash: "#here" });
});

test("what the provider left in the address bar after a logout is dropped without a word", async () => {
  const { platform } = openConsole(signedOut(), "/?state=abc");

  expect(await screen.findByRole("button", { name: "Log in" })).toBeInTheDocument();
  expect(screen.queryByRole("alert")).not.toBeInTheDocument();
  expect(platform.address().search).toBe("");
});

test("a user without a name is called by what is known", async () => {
  const server = Object.assign(new FakeServer(), { user: { sub: "u-9", name: 7, email: "bob@example.com" } });

  openConsole(server);

  expect(await screen.findByRole("heading", { name: "bob@example.com" })).toBeInTheDocument();
});

test.each([
  ["an array", []],
  ["no sub", { name: "Mallory" }],
  ["a number", 7],
])("userinfo that is %s is not taken for a user", async (_, answer) => {
  const server = new FakeServer();
  server.answerWith("/userinfo", () => json(answer));

  openConsole(server);

  expect(await screen.findByRole("alert")).toHaveTextContent("does not understand");
  expect(screen.queryByText("Mallory")).not.toBeInTheDocument();
});

test("a crafted address cannot keep the console from starting", async () => {
  const { platform } = openConsole(signedOut(), "//evil.example/?error=x");

  expect(await screen.findByRole("button", { name: "Log in" })).toBeInTheDocument();
  expect(platform.address()).toMatchObject({ path: "/", search: "" });
});
