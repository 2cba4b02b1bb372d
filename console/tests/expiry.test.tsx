import { screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { FakeServer, problem } from "./fakes/server";
import { focusWindow, openConsole } from "./openConsole";

async function expiredDialog(): Promise<HTMLElement> {
  return screen.findByRole("dialog", { name: "Your session has expired" });
}

async function signedIn(server: FakeServer, path = "/") {
  const opened = openConsole(server, path);
  await screen.findByText("Observatory");
  return opened;
}

test("a session that ended is told, and logging in again comes back to the same place", async () => {
  const server = new FakeServer();
  const { person, platform } = await signedIn(server, "/#devices");
  server.isLoggedIn = false;

  focusWindow();
  await person.click(within(await expiredDialog()).getByRole("button", { name: "Log in again" }));

  expect(platform.went).toEqual(["/login/start?redirect=%2F%23devices&failure=%2F"]);
});

test("the user may leave it at that", async () => {
  const server = new FakeServer();
  const { person } = await signedIn(server);
  server.isLoggedIn = false;

  focusWindow();
  await person.click(within(await expiredDialog()).getByRole("button", { name: "Not now" }));

  expect(screen.getByRole("button", { name: "Log in" })).toBeInTheDocument();
  expect(screen.queryByText("Alice Doe")).not.toBeInTheDocument();
});

test("any 401 says that the session has expired", async () => {
  const server = new FakeServer();
  server.answerWith("/api/v1/users/me", () => problem(401, "Unauthorized"));

  openConsole(server);

  expect(await expiredDialog()).toBeInTheDocument();
});

test("a countdown that reaches zero ends it, whether the server can be asked or not", async () => {
  const server = Object.assign(new FakeServer(), { idleSeconds: 120 });
  const { advance } = await signedIn(server);
  server.disconnect("/session");

  advance(120);

  expect(await expiredDialog()).toBeInTheDocument();
});

test("a countdown that reaches zero is believed only if no other tab kept the session alive", async () => {
  const server = Object.assign(new FakeServer(), { idleSeconds: 120 });
  const { advance } = await signedIn(server);
  server.idleSeconds = 1_800;

  advance(120);

  await waitFor(() => expect(screen.getByRole("region", { name: "Session" })).toHaveTextContent("30 min 00 s"));
  expect(screen.queryByRole("dialog")).not.toBeInTheDocument();
});

test("a visible tab asks every minute", async () => {
  const server = new FakeServer();
  const { advance } = await signedIn(server);
  server.isLoggedIn = false;

  advance(60);

  expect(await expiredDialog()).toBeInTheDocument();
});

test("a hidden tab asks nothing", async () => {
  const server = new FakeServer();
  const { advance, platform } = await signedIn(server);
  platform.visible = false;
  const asked = server.seen.length;

  advance(60);

  expect(server.seen).toHaveLength(asked);
});

test("a login in another tab closes the dialog", async () => {
  const server = new FakeServer();
  await signedIn(server);
  server.isLoggedIn = false;
  focusWindow();
  await expiredDialog();
  server.isLoggedIn = true;

  focusWindow();

  await waitFor(() => expect(screen.queryByRole("dialog")).not.toBeInTheDocument());
  expect(screen.getByRole("heading", { name: "Alice Doe" })).toBeInTheDocument();
});

test("when somebody else logs in from another tab, nothing of the former user stays", async () => {
  const server = new FakeServer();
  await signedIn(server);
  server.user = { sub: "u-2", name: "Bob Roe" };
  server.tenants = [{ id: "t-2", name: "Workshop", kind: "private", role: "owner" }];

  focusWindow();

  expect(await screen.findByText("Workshop")).toBeInTheDocument();
  expect(screen.getByRole("heading", { name: "Bob Roe" })).toBeInTheDocument();
  expect(screen.queryByText("Observatory")).not.toBeInTheDocument();
});
