import { screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { FakeServer } from "./fakes/server";
import { aDevice, at, aToken, type Thing } from "./fakes/things";
import { openConsole } from "./openConsole";

function withDevices(...devices: Thing[]): FakeServer {
  const server = new FakeServer();
  server.api.devices = devices;
  return server;
}

function asRole(server: FakeServer, role: string): FakeServer {
  return Object.assign(server, { tenants: [{ id: "t-1", name: "Observatory", kind: "private", role }] });
}

async function opened(server: FakeServer, path = "/devices") {
  const console = openConsole(server, path);
  await screen.findByRole("heading", { name: "Devices", level: 1 });
  return console;
}

async function queue() {
  return within(await screen.findByRole("region", { name: /^Waiting for approval/ }));
}

test("each device shows its name, state, addresses, owner, when it was seen and how it came", async () => {
  const changes = { registration_token_id: "rgt_1", ipv4: "100.64.0.9", owner_id: "usr_2", registered_at: at(-86_400 * 3) };
  const server = withDevices(aDevice("laptop", changes));
  server.api.tokens = [aToken("rgt_1", { label: "Workshop" })];
  server.api.members = [{ user_id: "usr_2", name: "Bob Roe", email: null, role: "member" }];
  await opened(server);

  const row = await screen.findByRole("article", { name: "laptop" });

  await waitFor(() => expect(row).toHaveTextContent("OwnerBob Roe"));
  expect(row).toHaveTextContent("active");
  expect(row).toHaveTextContent("100.64.0.9fd00::1");
  expect(row).toHaveTextContent("Last seen2 min ago");
  expect(row).toHaveTextContent("Registered3 d ago by Workshop");
});

test("times go on while the page is open", async () => {
  const { advance } = await opened(withDevices(aDevice("laptop")));
  const row = await screen.findByRole("article", { name: "laptop" });

  advance(60);

  expect(row).toHaveTextContent("Last seen3 min ago");
});

test("who has none is led to registration tokens", async () => {
  const { person } = await opened(new FakeServer());

  await person.click(await screen.findByRole("link", { name: "Go to registration tokens" }));

  expect(await screen.findByRole("heading", { name: "Registration tokens", level: 1 })).toBeInTheDocument();
});

test("a filter is an address and shows only that state", async () => {
  const { person, platform } = await opened(withDevices(aDevice("laptop"), aDevice("old", { state: "revoked" })));
  await screen.findByRole("article", { name: "laptop" });

  await person.click(screen.getByRole("link", { name: "revoked" }));

  expect(await screen.findByRole("article", { name: "old" })).toBeInTheDocument();
  expect(screen.queryByRole("article", { name: "laptop" })).not.toBeInTheDocument();
  expect(platform.address().search).toBe("?show=revoked");
});

test("a filter that finds nothing leads back to all", async () => {
  const { person } = await opened(withDevices(aDevice("laptop")), "/devices?show=suspended");

  expect(await screen.findByText("No device is suspended")).toBeInTheDocument();
  await person.click(screen.getByRole("link", { name: "Show live devices" }));

  expect(await screen.findByRole("article", { name: "laptop" })).toBeInTheDocument();
});

test("nobody waits: there is no queue", async () => {
  await opened(withDevices(aDevice("laptop")));
  await screen.findByRole("article", { name: "laptop" });

  expect(screen.queryByRole("region", { name: /^Waiting/ })).not.toBeInTheDocument();
});

test("who waits stands at the top, the quarantined first with their evidence, and only there", async () => {
  const evidence = { same_fingerprint_as: "dev_laptop", fingerprint: "SHA256:xyz", seen: { from: "10.0.0.1" } };
  await opened(
    withDevices(
      aDevice("new", { state: "pending", fingerprint: "SHA256:abc" }),
      aDevice("copy", { state: "quarantined", evidence }),
      aDevice("laptop"),
    ),
  );

  const [first, second] = (await queue()).getAllByRole("article");

  expect(first).toHaveAccessibleName("copy");
  expect(first).toHaveTextContent("fingerprintSHA256:xyz");
  await waitFor(() => expect(first).toHaveTextContent("same fingerprint asdev_laptop: laptop, active"));
  expect(first).toHaveTextContent('{"from":"10.0.0.1"}');
  expect(second).toHaveTextContent("SHA256:abc");
  expect(screen.getAllByRole("article", { name: "copy" })).toHaveLength(1);
});

test("approving takes a device out of the queue and says so", async () => {
  const server = withDevices(aDevice("new", { state: "pending" }));
  const { person } = await opened(server);

  await person.click((await queue()).getByRole("button", { name: "Approve new" }));

  expect(await screen.findByText("new was approved.")).toBeInTheDocument();
  expect(screen.queryByRole("region", { name: /^Waiting/ })).not.toBeInTheDocument();
  expect(screen.getByRole("article", { name: "new" })).toHaveTextContent("active");
  expect(server.writes.map(({ method, path }) => `${method} ${path}`)).toEqual(["POST /api/v1/devices/dev_new/approve"]);
});

test("the focus goes on from what happened when the pressed button is gone", async () => {
  const { person } = await opened(withDevices(aDevice("new", { state: "pending" })));

  await person.click((await queue()).getByRole("button", { name: "Approve new" }));

  const told = await screen.findByText("new was approved.");
  expect(told.parentElement).toHaveFocus();
});

test("members see who waits, and that an admin decides", async () => {
  await opened(asRole(withDevices(aDevice("new", { state: "pending" })), "member"));

  const waiting = await queue();

  expect(waiting.getByText(/An admin of the tenant decides/)).toBeInTheDocument();
  expect(waiting.queryByRole("button", { name: /^Approve/ })).not.toBeInTheDocument();
});

test("viewers are offered nothing to change", async () => {
  await opened(asRole(withDevices(aDevice("laptop")), "viewer"));

  const row = await screen.findByRole("article", { name: "laptop" });

  expect(within(row).queryByRole("button")).not.toBeInTheDocument();
});

test("a device is suspended and resumed", async () => {
  const { person } = await opened(withDevices(aDevice("laptop")));
  const row = await screen.findByRole("article", { name: "laptop" });

  await person.click(within(row).getByRole("button", { name: "Suspend laptop" }));
  expect(await screen.findByText("laptop was suspended.")).toBeInTheDocument();
  expect(row).toHaveTextContent("suspended");

  await person.click(within(row).getByRole("button", { name: "Resume laptop" }));
  expect(await screen.findByText("laptop was resumed.")).toBeInTheDocument();
  expect(row).toHaveTextContent("active");
});

test("who was never approved waits again after a pause", async () => {
  const { person } = await opened(withDevices(aDevice("new", { state: "suspended", approved_at: null })));

  await person.click(await screen.findByRole("button", { name: "Resume new" }));

  expect((await queue()).getByRole("article", { name: "new" })).toHaveTextContent("pending");
});

test("a second press while the first is under way does nothing", async () => {
  const server = withDevices(aDevice("laptop"));
  server.hang("/api/v1/devices/dev_laptop/suspend");
  const { person } = await opened(server);

  await person.dblClick(await screen.findByRole("button", { name: "Suspend laptop" }));

  expect(server.writes).toHaveLength(1);
});

test("revoking names the device and asks first", async () => {
  const server = withDevices(aDevice("laptop"));
  const { person } = await opened(server);

  await person.click(await screen.findByRole("button", { name: "Revoke laptop" }));
  const dialog = screen.getByRole("dialog", { name: "Revoke laptop?" });
  expect(server.writes).toEqual([]);
  await person.click(within(dialog).getByRole("button", { name: "Revoke this device" }));

  expect(await screen.findByText("laptop was revoked.")).toBeInTheDocument();
  expect(screen.queryByRole("dialog")).not.toBeInTheDocument();
  expect(screen.queryByRole("button", { name: /laptop$/ })).not.toBeInTheDocument();
});

test("who has expired can still be kept from coming again", async () => {
  const { person } = await opened(withDevices(aDevice("old", { state: "expired" })), "/devices?show=expired");

  await person.click(await screen.findByRole("button", { name: "Revoke old" }));
  await person.click(screen.getByRole("button", { name: "Revoke this device" }));

  expect(await screen.findByText("old was revoked.")).toBeInTheDocument();
  expect(screen.queryByRole("button", { name: /old$/ })).not.toBeInTheDocument();
});

test("a revocation that is thought better of does nothing and gives the focus back", async () => {
  const server = withDevices(aDevice("laptop"));
  const { person } = await opened(server);
  const button = await screen.findByRole("button", { name: "Revoke laptop" });

  await person.click(button);
  await person.click(screen.getByRole("button", { name: "Cancel" }));

  expect(server.writes).toEqual([]);
  expect(button).toHaveFocus();
});

test("Escape closes a dialog that holds nothing", async () => {
  const { person } = await opened(withDevices(aDevice("laptop")));
  await person.click(await screen.findByRole("button", { name: "Revoke laptop" }));

  screen.getByRole<HTMLDialogElement>("dialog").close();

  await waitFor(() => expect(screen.queryByRole("dialog")).not.toBeInTheDocument());
});

test("what somebody else did meanwhile is told and shown", async () => {
  const server = withDevices(aDevice("laptop"));
  const { person } = await opened(server);
  const row = await screen.findByRole("article", { name: "laptop" });
  server.api.devices = [aDevice("laptop", { state: "revoked" })];

  await person.click(within(row).getByRole("button", { name: "Suspend laptop" }));

  const sentence = "laptop: A device that is revoked cannot be changed so. It is now revoked.";
  expect(await screen.findByRole("alert")).toHaveTextContent(sentence);
  expect(row).toHaveTextContent("revoked");
});

test("a device that is gone leaves the list", async () => {
  const server = withDevices(aDevice("laptop"));
  const { person } = await opened(server);
  await screen.findByRole("article", { name: "laptop" });
  server.api.devices = [];

  await person.click(screen.getByRole("button", { name: "Suspend laptop" }));

  expect(await screen.findByRole("alert")).toHaveTextContent("laptop: The server refused: Not Found.");
  expect(screen.queryByRole("article", { name: "laptop" })).not.toBeInTheDocument();
});

test("trouble on the way changes nothing on the page", async () => {
  const server = withDevices(aDevice("laptop"));
  const { person } = await opened(server);
  const row = await screen.findByRole("article", { name: "laptop" });
  server.disconnect("/api/v1/devices/dev_laptop/suspend");

  await person.click(within(row).getByRole("button", { name: "Suspend laptop" }));

  expect(await screen.findByRole("alert")).toHaveTextContent("laptop: The server cannot be reached.");
  expect(row).toHaveTextContent("active");
});

async function renaming(server: FakeServer) {
  const console = await opened(server);
  await console.person.click(await screen.findByRole("button", { name: "Rename laptop" }));
  const dialog = within(screen.getByRole("dialog", { name: "Rename laptop" }));
  const name = dialog.getByRole("textbox", { name: "Name" });
  const submit = dialog.getByRole("button", { name: "Rename" });
  await waitFor(() => expect(submit).toHaveAttribute("aria-disabled", "false"));
  const rename = async (to: string) => {
    await console.person.clear(name);
    await console.person.type(name, `${to}{Enter}`);
  };
  return { ...console, dialog, submit, rename };
}

test("a device is renamed from the state that was seen", async () => {
  const server = withDevices(aDevice("laptop", { version: 4 }));
  const { rename } = await renaming(server);

  await rename("desk");

  expect(await screen.findByText("laptop is now called desk.")).toBeInTheDocument();
  expect(screen.getByRole("article", { name: "desk" })).toBeInTheDocument();
  expect(server.writes[0]?.method).toBe("PATCH");
  expect(server.writes[0]?.body).toEqual({ name: "desk" });
  expect(server.writes[0]?.headers.get("If-Match")).toBe('"4"');
});

test("a rename past somebody else's is stopped, told, and may be done knowingly", async () => {
  const server = withDevices(aDevice("laptop"));
  const { rename, dialog, submit, person } = await renaming(server);
  server.api.devices = [aDevice("laptop", { name: "kiosk", version: 2 })];

  await rename("desk");

  expect(await dialog.findByText(/It is now called kiosk\./)).toBeInTheDocument();
  await waitFor(() => expect(submit).toHaveAttribute("aria-disabled", "false"));
  await person.click(submit);
  expect(await screen.findByRole("article", { name: "desk" })).toBeInTheDocument();
});

test("a name that is taken leaves the form as it was, with the server's sentence", async () => {
  const { rename, dialog } = await renaming(withDevices(aDevice("laptop"), aDevice("desk")));

  await rename("desk");

  expect(await dialog.findByRole("alert")).toHaveTextContent("Another device has this name.");
  expect(dialog.getByRole("textbox", { name: "Name" })).toHaveValue("desk");
});

test("a refresh shows who came meanwhile", async () => {
  const server = withDevices(aDevice("laptop"));
  const { person } = await opened(server);
  await screen.findByRole("article", { name: "laptop" });
  server.api.devices = [aDevice("new", { state: "pending" }), aDevice("laptop")];

  await person.click(screen.getByRole("button", { name: "Refresh" }));

  expect(await screen.findByRole("article", { name: "new" })).toBeInTheDocument();
});
