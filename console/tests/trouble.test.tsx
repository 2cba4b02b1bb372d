import { screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { FakeServer, json } from "./fakes/server";
import { focusWindow, openConsole } from "./openConsole";

test.each([
  ["a 503", (server: FakeServer) => server.breakDown("/session"), "not available right now"],
  ["a network error", (server: FakeServer) => server.disconnect("/session"), "cannot be reached"],
  ["a proxy's page", (server: FakeServer) => server.answerWith("/session", () => new Response("<html>")), "understand"],
])("%s does not log the user out", async (_, spoil, sentence) => {
  const server = new FakeServer();
  const { person } = openConsole(server);
  await screen.findByText("Observatory");
  spoil(server);

  focusWindow();

  expect(await screen.findByRole("alert")).toHaveTextContent(sentence);
  expect(screen.getByRole("heading", { name: "Alice Doe" })).toBeInTheDocument();
  server.repair();
  await person.click(screen.getByRole("button", { name: "Try again" }));
  await waitFor(() => expect(screen.queryByRole("alert")).not.toBeInTheDocument());
});

test("a console that cannot reach its server says so, and recovers by itself", async () => {
  const server = new FakeServer();
  server.breakDown("/session");
  const { advance } = openConsole(server);
  expect(await screen.findByRole("alert")).toHaveTextContent("Request req-7");
  server.repair();

  advance(15);

  expect(await screen.findByRole("heading", { name: "Alice Doe" })).toBeInTheDocument();
});

test("trouble with the API stays in its card", async () => {
  const server = new FakeServer();
  server.breakDown("/api/v1/users/me");
  const { person } = openConsole(server);
  const card = await screen.findByRole("region", { name: "Your tenant" });
  const retry = await within(card).findByRole("button", { name: "Try again" });
  expect(screen.getByRole("heading", { name: "Alice Doe" })).toBeInTheDocument();
  server.repair();

  await person.click(retry);

  expect(await within(card).findByText("Observatory")).toBeInTheDocument();
});

test("tenants that are not what was promised are not drawn", async () => {
  const server = new FakeServer();
  server.answerWith("/api/v1/users/me", () => json({ tenants: [{ id: "t-1", name: { evil: true } }] }));

  openConsole(server);

  expect(await screen.findByRole("alert")).toHaveTextContent("does not understand");
});

test("a console that is closed asks nothing more", async () => {
  const server = new FakeServer();
  const { unmount, platform } = openConsole(server);
  await screen.findByText("Observatory");
  const asked = server.seen.length;

  unmount();
  platform.advance(600);
  focusWindow();

  expect(server.seen).toHaveLength(asked);
});

test("a console that is closed stops the requests that are under way", async () => {
  const server = new FakeServer();
  server.hang("/api/v1/users/me");
  const { unmount } = openConsole(server);
  await screen.findByRole("heading", { name: "Alice Doe" });
  const request = server.seen.find(({ path }) => path === "/api/v1/users/me");

  unmount();

  expect(request?.signal?.aborted).toBe(true);
});
