import { screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { HOME, pathOf, placeOf } from "../src/navigation/places";
import { FakeServer } from "./fakes/server";
import { aDevice } from "./fakes/things";
import { focusWindow, openConsole } from "./openConsole";

function inTwoTenants(): FakeServer {
  const tenants = [
    { id: "t-2", name: "Workshop", kind: "private", role: "admin" },
    { id: "t-1", name: "Observatory", kind: "private", role: "owner" },
  ];
  return Object.assign(new FakeServer(), { tenants });
}

test("each page has an address, and the back button comes back", async () => {
  const { person, platform, pressBack } = openConsole(new FakeServer());

  await person.click(await screen.findByRole("link", { name: "Devices" }));
  expect(await screen.findByRole("heading", { name: "Devices", level: 1 })).toHaveFocus();
  expect(platform.address().path).toBe("/devices");
  expect(document.title).toBe("Devices · Doorward");

  await person.click(screen.getByRole("link", { name: "Registration tokens" }));
  expect(await screen.findByRole("heading", { name: "Registration tokens", level: 1 })).toHaveFocus();

  pressBack();
  expect(await screen.findByRole("heading", { name: "Devices", level: 1 })).toBeInTheDocument();
});

test("the page that is shown is marked in the navigation", async () => {
  openConsole(new FakeServer(), "/devices");

  const pages = await screen.findByRole("navigation", { name: "Pages" });

  expect(within(pages).getByRole("link", { current: "page" })).toHaveTextContent("Devices");
});

test("a reload shows the same page", async () => {
  openConsole(new FakeServer(), "/registration-tokens");

  expect(await screen.findByRole("heading", { name: "Registration tokens", level: 1 })).toBeInTheDocument();
});

test("a login comes back to the page", async () => {
  const { person, platform } = openConsole(Object.assign(new FakeServer(), { isLoggedIn: false }), "/devices?show=pending");

  await person.click(await screen.findByRole("button", { name: "Log in" }));

  const start = new URL(platform.went[0] ?? "", "https://door.example");
  expect(start.searchParams.get("redirect")).toBe("/devices?show=pending");
});

test("an address that means nothing says so and shows home", async () => {
  openConsole(new FakeServer(), "/nowhere/at-all");

  expect(await screen.findByText(/There is no page at this address/)).toBeInTheDocument();
  expect(screen.getByRole("heading", { name: "Alice Doe" })).toBeInTheDocument();
});

test("a link with a modifier key is the browser's", async () => {
  const { person, platform } = openConsole(new FakeServer());
  const link = await screen.findByRole("link", { name: "Devices" });

  await person.keyboard("{Control>}");
  await person.click(link);

  expect(platform.address().path).toBe("/");
  expect(link).toHaveAttribute("href", "/devices");
});

test("who is in one tenant chooses nothing", async () => {
  openConsole(new FakeServer(), "/devices");

  expect(await screen.findByRole("heading", { name: "Devices of Observatory" })).toBeInTheDocument();
  expect(screen.queryByRole("combobox", { name: "Tenant" })).not.toBeInTheDocument();
});

test("the personal tenant comes first; another one can be chosen, and goes along to the other pages", async () => {
  const server = inTwoTenants();
  server.api.devices = [aDevice("mine"), aDevice("theirs", { tenant_id: "t-2" })];
  const { person, platform } = openConsole(server, "/devices");
  expect(await screen.findByRole("article", { name: "mine" })).toBeInTheDocument();

  await person.selectOptions(screen.getByRole("combobox", { name: "Tenant" }), "Workshop");

  expect(await screen.findByRole("article", { name: "theirs" })).toBeInTheDocument();
  expect(screen.queryByRole("article", { name: "mine" })).not.toBeInTheDocument();
  await person.click(screen.getByRole("link", { name: "Registration tokens" }));
  expect(platform.address().search).toBe("?tenant=t-2");
});

test("what was told of one tenant is not told of another", async () => {
  const server = inTwoTenants();
  server.api.devices = [aDevice("mine")];
  const { person } = openConsole(server, "/devices");
  await person.click(await screen.findByRole("button", { name: "Suspend mine" }));
  await screen.findByText("mine was suspended.");

  await person.selectOptions(screen.getByRole("combobox", { name: "Tenant" }), "Workshop");

  expect(await screen.findByRole("heading", { name: "Devices of Workshop" })).toBeInTheDocument();
  expect(screen.queryByText("mine was suspended.")).not.toBeInTheDocument();
});

test("the address of a tenant that the user is not in shows the user's own", async () => {
  openConsole(inTwoTenants(), "/devices?tenant=t-9");

  expect(await screen.findByRole("combobox", { name: "Tenant" })).toHaveValue("t-1");
});

test("after the session is back, the page asks for what it could not show", async () => {
  const server = new FakeServer();
  server.api.devices = [aDevice("laptop")];
  openConsole(server, "/devices");
  await screen.findByRole("article", { name: "laptop" });
  server.isLoggedIn = false;
  focusWindow();
  await screen.findByRole("dialog", { name: "Your session has expired" });
  server.api.devices = [aDevice("laptop"), aDevice("phone")];
  server.isLoggedIn = true;

  focusWindow();

  await waitFor(() => expect(screen.getByRole("article", { name: "phone" })).toBeInTheDocument());
});

test("while the dialog asks to log in, nothing else is asked", async () => {
  const server = new FakeServer();
  openConsole(server, "/devices");
  await screen.findByText("No device has joined yet");
  server.isLoggedIn = false;
  const asked = server.seen.length;

  focusWindow();
  await screen.findByRole("dialog", { name: "Your session has expired" });

  expect(server.seen.slice(asked).map(({ path }) => path)).toEqual(["/session"]);
});

test("when somebody else logs in, nothing of the former user's devices stays", async () => {
  const server = new FakeServer();
  server.api.devices = [aDevice("secret-lab")];
  openConsole(server, "/devices");
  await screen.findByRole("article", { name: "secret-lab" });
  server.user = { sub: "u-2", name: "Bob Roe" };
  server.hang("/api/v1/users/me");

  focusWindow();

  await waitFor(() => expect(screen.queryByText("secret-lab")).not.toBeInTheDocument());
});

test.each([
  ["/", HOME],
  ["/index.html", HOME],
  ["/devices/", { ...HOME, page: "devices" }],
  ["/devices?show=pending&tenant=t-2", { ...HOME, page: "devices", deviceState: "pending", tenantId: "t-2" }],
  ["/devices?show=a%22b", { ...HOME, page: "devices" }],
  ["/devices/7", { ...HOME, page: "unknown" }],
])("the address %s is understood", (address, place) => {
  const [path = "", search = ""] = address.split(/(?=\?)/);

  expect(placeOf({ path, search })).toEqual(place);
});

test("a place's address means that place", () => {
  const place = { page: "devices", tenantId: "t-2", deviceState: "active", registrationTokenId: "rgt_1" } as const;
  const [path = "", search = ""] = pathOf(place).split(/(?=\?)/);

  expect(placeOf({ path, search })).toEqual(place);
});
