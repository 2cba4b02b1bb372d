import { screen, waitFor } from "@testing-library/react";
import { expect, test } from "vitest";
import { LOGGED_OUT, TABS_CHANNEL } from "../src/session/window";
import { FakeServer } from "./fakes/server";
import { leavePage, openConsole, restorePage } from "./openConsole";

test("logging out ends the session with a write that only this site can send, and follows the answer", async () => {
  const server = new FakeServer();
  const { person, platform } = openConsole(server);

  await person.click(await screen.findByRole("button", { name: "Log out" }));

  await waitFor(() => expect(platform.went).toEqual(["/logout/once"]));
  const logout = server.seen.find((request) => request.path === "/logout");
  expect(logout?.method).toBe("POST");
  expect(logout?.headers.get("X-CSRF")).toBe("1");
  expect(logout?.headers.get("Accept")).toBe("application/json");
  expect(screen.queryByText("Alice Doe")).not.toBeInTheDocument();
});

test.each([
  "https://evil.example/",
  "//evil.example/",
  "/\\evil.example/",
  "/\t/evil.example/",
  "/%0a/../\n/evil.example",
  "javascript:alert(1)",
  "logout/once",
])("a logout address that leads elsewhere is refused: %j", async (logoutUrl) => {
  const { person, platform } = openConsole(Object.assign(new FakeServer(), { logoutUrl }));

  await person.click(await screen.findByRole("button", { name: "Log out" }));

  expect(await screen.findByRole("alert")).toHaveTextContent("not safe to follow");
  expect(screen.getByRole("button", { name: "Log in" })).toBeInTheDocument();
  expect(platform.went).toEqual([]);
});

test("a logout that did not get through says that the user is still logged in", async () => {
  const server = new FakeServer();
  server.disconnect("/logout");
  const { person, platform } = openConsole(server);

  await person.click(await screen.findByRole("button", { name: "Log out" }));

  expect(await screen.findByRole("alert")).toHaveTextContent("You are still logged in. The server cannot be reached.");
  expect(screen.getByRole("heading", { name: "Alice Doe" })).toBeInTheDocument();
  expect(platform.went).toEqual([]);
});

test("a logout in another tab is a logout here, at once", async () => {
  openConsole(new FakeServer());
  await screen.findByRole("heading", { name: "Alice Doe" });
  const otherTab = new BroadcastChannel(TABS_CHANNEL);

  otherTab.postMessage(LOGGED_OUT);

  expect(await screen.findByRole("button", { name: "Log in" })).toBeInTheDocument();
  expect(screen.queryByText("Alice Doe")).not.toBeInTheDocument();
  otherTab.close();
});

test("a logout here is told to the other tabs", async () => {
  const otherTab = new BroadcastChannel(TABS_CHANNEL);
  const heard = new Promise((resolve) => {
    otherTab.onmessage = (event) => resolve(event.data);
  });
  const { person } = openConsole(new FakeServer());

  await person.click(await screen.findByRole("button", { name: "Log out" }));

  expect(await heard).toBe(LOGGED_OUT);
  otherTab.close();
});

test("a page that is left keeps nothing of the user for whoever presses back", async () => {
  openConsole(new FakeServer());
  await screen.findByRole("heading", { name: "Alice Doe" });

  leavePage();

  expect(screen.queryByText("Alice Doe")).not.toBeInTheDocument();
});

test("a page that comes back after a logout shows nobody until it has asked", async () => {
  const server = new FakeServer();
  openConsole(server);
  await screen.findByRole("heading", { name: "Alice Doe" });
  server.isLoggedIn = false;

  restorePage();

  expect(screen.queryByText("Alice Doe")).not.toBeInTheDocument();
  expect(screen.queryByRole("dialog")).not.toBeInTheDocument();
  expect(await screen.findByRole("button", { name: "Log in" })).toBeInTheDocument();
});

test("a page that comes back shows nobody while the server cannot say who is there", async () => {
  const server = new FakeServer();
  openConsole(server);
  await screen.findByRole("heading", { name: "Alice Doe" });
  server.breakDown("/session");

  restorePage();

  expect(await screen.findByRole("button", { name: "Try again" })).toBeInTheDocument();
  expect(screen.queryByText("Alice Doe")).not.toBeInTheDocument();
});

test("a page that comes back with the session alive shows the user again", async () => {
  openConsole(new FakeServer());
  await screen.findByRole("heading", { name: "Alice Doe" });

  restorePage();

  expect(await screen.findByRole("heading", { name: "Alice Doe" })).toBeInTheDocument();
});
